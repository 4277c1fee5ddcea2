"""The configuration of a run that starts from another run's weights."""

from collections.abc import Mapping, Sequence
from math import log2
from typing import Any

from alae_core import ArgumentError, Checkpoint, Config
from alae_core.config import make_config
from alae_core.config_data import RUN
from alae_core.groups import ConvNetworks, StyleNetworks
from alae_workbench.runs.origin import OpenedOrigin
from alae_workbench.runs.settings import Experiment, change_experiment, read_training

_SUFFIX = ", fine-tuned"
#: number of feature maps below which a new resolution of conv networks does not go
_LEAST_WIDTH = 8


def make_fine_tuning(origin: OpenedOrigin, changes: Mapping[str, Any], *, size: int | None = None) -> Experiment:
    """Return the experiment of `origin`, with `changes` by dotted key, for a new run that starts from its weights.

    `size` is short for an `image` of that height and width. If `image` changes, levels of detail or resolutions are
    added or cut at the fine end (`resize`). Style networks start at the level that `origin` reached, unless
    `growth.from_level` is among the changes; a level that it trained does not fade in again. A schedule ends with the
    new run.

    Raises ConfigError if the changes do not fit together, and ArgumentError if `growth.from_level` is given for
    networks without levels.
    """
    checkpoint, record = origin
    config = checkpoint.config
    if size is not None:
        changes = {**changes, "image": [size, size, config.image[2]]}
    data = resize(config, changes["image"]) if _is_shape(changes.get("image")) else config.data()
    data.pop("resumed", None)
    if data.get("schedule"):
        data["schedule"] = {**data["schedule"], "images": None}
    if not config.description.endswith(_SUFFIX):
        data["description"] = f"{config.description}{_SUFFIX}"
    if data.get("growth"):
        data["growth"] = _choose_start(checkpoint, data["growth"], changes.get("growth.from_level"))
    elif "growth.from_level" in changes:
        raise ArgumentError(
            "from_level",
            f"is {changes['growth.from_level']}, but only style networks have levels of detail, and those of "
            f"{record.path} are of the family {config.networks.family}",
        )
    training = read_training(checkpoint).model_dump() | {"origin": record.model_dump()}
    if changes.get(f"{RUN}.data", training["data"]) != training["data"]:
        # They name files, arrays, columns or pixels of the other images.
        training |= {"labels_from": None, "images_from": None, "crop_box": None}
    return change_experiment(make_config(data, source=record.path), training, changes, record.path)


def resize(config: Config, image: Sequence[int]) -> dict[str, Any]:
    """Return the data of `config` for images of another size, in which the coarse levels keep their widths.

    If sides differ by a power of two, style networks get as many more or fewer levels, new ones with the settings of
    the last, and conv networks as many more or fewer resolutions. Other networks are left as they are.
    """
    data = {**config.data(), "image": image}
    doublings = log2(image[0] / config.image[0])
    if doublings != int(doublings):
        return data
    added, networks = int(doublings), config.networks
    if isinstance(networks, StyleNetworks) and config.growth and -added < config.lods:
        startf = networks.startf << -added if added < 0 else max(1, networks.startf >> added)
        levels = config.growth.model_dump()["levels"]
        last = {key: value for key, value in levels[-1].items() if key != "fade"}
        data["networks"] = {**data["networks"], "startf": startf}
        data["growth"] = {**data["growth"], "levels": [*levels, *([last] * added)][: len(levels) + added]}
    elif isinstance(networks, ConvNetworks) and len(networks.widths) + added >= 2:
        widths = list(networks.widths)
        for _ in range(added):
            widths.append(max(_LEAST_WIDTH, widths[-1] // 2))
        widths = widths[: len(networks.widths) + added]
        data["networks"] = {**data["networks"], "widths": widths, "residual": min(networks.residual, len(widths))}
    return data


def _is_shape(image: Any) -> bool:
    return isinstance(image, list | tuple) and len(image) == 3 and all(type(n) is int and n > 0 for n in image)


def _choose_start(checkpoint: Checkpoint, growth: Mapping[str, Any], from_level: Any) -> dict[str, Any]:
    """Return the group growth that starts at `from_level`, by default at the last level that `checkpoint` reached."""
    levels, view = list(growth["levels"]), checkpoint.view
    if view is None:
        return dict(growth)
    start = from_level if type(from_level) is int else min(view.lod, len(levels) - 1)
    if start < view.lod or (start == view.lod and view.blend == 1):
        levels[start : start + 1] = [{**level, "fade": 0.0} for level in levels[start : start + 1]]
    return {**growth, "levels": levels, "from_level": start}
