"""How much a configuration takes, counted before anything is built, so that what no memory can hold is refused.

Everything counted is a lower bound, for a machine may always need more: activations, gradients, copies.
"""

import os
from math import prod
from pathlib import Path

from alae_core.algorithms import network_shapes
from alae_core.config import Config
from alae_core.errors import ConfigError
from alae_core.groups import MlpNetworks
from alae_core.networks.layout import network_layout

#: arrays that training keeps of each weight: itself, its running average and Adam's two moments
_TRAINING = 4


def weights(config: Config) -> dict[str, int]:
    """The number of weights of each network by name, for networks of a `Shape`."""
    return {
        name: sum(spec.size for spec in network_layout(config, shape).values())
        for name, shape in network_shapes(config.algorithm).items()
    }


def batch_sizes(config: Config) -> list[tuple[int, int]]:
    """(images, numbers of each in the largest layer that it passes through) of the batches at each level of detail."""
    networks, (height, width, channels) = config.networks, config.image
    if isinstance(networks, MlpNetworks):
        hidden = [width for name in "FGED" for width in getattr(networks, name).hidden]
        return [(config.batch_size, max(height * width * channels, config.labels, networks.z, networks.w, *hidden))]
    levels = config.growth.levels if config.growth else ()
    widths = networks.widths(config.lods)
    return [
        (level.batch_size or config.batch_size, (4 * 2**lod) ** 2 * max(channels, widths[lod]))
        for lod, level in enumerate(levels)
    ]


def needs(config: Config, *, training: bool = False) -> dict[str, int]:
    """The bytes that a model takes at least, by what they are for; in training with what goes with its weights.

    Networks of a shape that is not in `algorithms.Shape` are not counted.
    """
    size = 8 if config.dtype == "float64" else 4
    count = sum(weights(config).values())
    if not training:
        return {f"{count:,} weights": size * count}
    images, numbers = max(batch_sizes(config), key=prod)
    return {
        f"{count:,} weights, their averages and moments": _TRAINING * size * count,
        f"a batch of {images:,} images": size * images * numbers,
    }


def require_room(config: Config, *, training: bool = False) -> None:
    """Raise ConfigError where this machine's memory cannot hold what a model `needs`."""
    room, needed = memory(), needs(config, training=training)
    total = sum(needed.values())
    if room is not None and total > room:
        raise ConfigError(
            f"the configuration needs at least {amount(total)}, most of it for {max(needed, key=needed.__getitem__)}, "
            f"but this machine has {amount(room)} of memory: make networks, image or batch_size smaller"
        )


def memory() -> int | None:
    """The bytes of memory that this machine has, or allows the process; None where the system does not say."""
    try:
        there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None
    try:
        return min(there, int(Path("/sys/fs/cgroup/memory.max").read_text("ascii")))
    except (OSError, ValueError):  # no container, or one without a limit
        return there


def amount(size: int) -> str:
    """Bytes as a person says them: "640 MB", "1.9 GB"."""
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.1f} MB"
