"""L1: images of other sizes than the fixture's, up to 128 pixels along a side."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from alae_conformance.comparison import Observations
from alae_conformance.experiments.experiment import experiment
from alae_conformance.experiments.setting import Setting
from alae_conformance.fixture import config_of
from alae_conformance.subjects import Arrays, Subject
from alae_conformance.subjects.reference import ReferenceSubject
from alae_core.streams import sample_noise

Size = tuple[int, int]
#: some heights and widths, by family; with other fixtures, all that style networks support up to 128 pixels
_SOME: dict[str, tuple[Size, ...]] = {
    "mlp": ((1, 1), (1, 3), (7, 2), (28, 28), (31, 37), (64, 128)),
    "conv": ((8, 8), (16, 10), (20, 28), (40, 64), (64, 128)),
    "style": ((4, 4), (32, 32), (64, 64), (128, 128)),
}
#: the longest side
_LONGEST = 128
#: sides of the coarsest maps of conv networks
_COARSEST = range(4, 9)
#: 129 has no common divisor with it or with the number before, so multiples permute 1 … 128 and no number stays
_STRIDE = 47
#: images in a call
_FEW = 2

#: added to weights that are zero in a new run
_LIFT = 0.25


@experiment(trains=False)
def image_sizes(subject: Subject, setting: Setting) -> Observations:
    """Generate and encode images of some sizes; compare the means of their rows and columns."""
    config, observed = config_of(setting.fixture, setting.lane), Observations()
    for height, width in _SOME[config.networks.family]:
        data = config.data() | {"image": [height, width, config.image[2]]}
        options: dict[str, Any] = {}
        if config.networks.family == "conv":
            # The coarsest maps have four to eight pixels along each side.
            halvings = max(1, (max(height, width) // 8 - 1).bit_length())
            data["networks"] = data["networks"] | {"widths": [3] * (halvings + 1)}
        if config.growth:
            lods = height.bit_length() - 2
            data["growth"] = {"levels": [{"images": 8}] * lods}
            options["noise"] = sample_noise(lods - 1, len(setting.tape["w"]), seed=height)
        subject.open(data, anew=True)
        subject.load(lifted_state(data))
        where = f"of {height} × {width}"
        images = subject.look("generate", setting.tape["w"], **options)
        for axis, word in ((1, "columns"), (2, "rows")):
            observed[f"looking/mean {word} {where}"] = images.mean(axis)
        if config.growth and height == _LONGEST:
            # All blocks have a bump, of different sizes.
            bumped = subject.look("generate", setting.tape["w"], noise="bump")
            observed[f"looking/mean rows of bumps {where}"] = bumped.mean(2)
        shown = np.resize(setting.tape["images"], (len(images), *images.shape[1:]))
        observed[f"looking/codes {where}"] = subject.look("encode", shown)
        observed |= {f"exact/{name} {where}": np.asarray(subject.look(name)) for name in ("image_shape", "batch_size")}
    return observed


@experiment(trains=False)
def every_side(subject: Subject, setting: Setting) -> Observations:
    """Generate and encode images with every height and every width of the family; compare a sum of weighted pixels."""
    config, observed = config_of(setting.fixture, setting.lane), Observations()
    for height, width, channels, networks in _every_size(config.networks.family):
        data = config.data() | {"image": [height, width, channels]}
        data["networks"] = data["networks"] | networks
        subject.open(data, anew=True)
        subject.load(lifted_state(data))
        where = f"of {height} × {width} × {channels}"
        images = subject.look("generate", setting.tape["w"][:_FEW])
        observed[f"exact/shape {where}"] = np.array(images.shape)
        # A different weight for each pixel, so that none can take the place of another.
        flat = images.reshape(len(images), -1).astype(np.float64)
        observed[f"looking/images {where}"] = flat @ np.cos(np.arange(flat.shape[1])) / np.sqrt(flat.shape[1])
        shown = np.resize(setting.tape["images"], (_FEW, height, width, channels))
        observed[f"looking/codes {where}"] = subject.look("encode", shown)
    return observed


def _every_size(family: str) -> Iterable[tuple[int, int, int, dict[str, Any]]]:
    """Yield height, width, channels, and changes of the networks, so that each side occurs as a height and a width."""
    if family == "mlp":
        small = {"hidden": [3]}
        for height in range(1, _LONGEST + 1):
            width = height * _STRIDE % (_LONGEST + 1)
            channels = next(count for count in (1 + height % 3, 3, 2, 1) if count not in (height, width))
            yield height, width, channels, dict.fromkeys("GE", small)
    else:
        for halvings in range(1, (_LONGEST // max(_COARSEST)).bit_length()):
            factor, networks = 2**halvings, {"widths": [3] * (halvings + 1)}
            for number, coarsest in enumerate(_COARSEST):
                other = _COARSEST[number - 2]
                yield factor * coarsest, factor * other, 1 + number % 3, networks


def lifted_state(data: dict[str, Any]) -> Arrays:
    """Return the initial state of a run, with biases and weights of noise that are not zero, which would hide them."""
    reference = ReferenceSubject()
    reference.open(data, anew=True)
    state = reference.state()
    return {
        name: array + _LIFT if name.startswith("weights/") and not array.any() else array
        for name, array in state.items()
    }
