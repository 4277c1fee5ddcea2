"""L0 and L1: random numbers that lie just beside the thresholds of the specification."""

from collections.abc import Mapping

import numpy as np

from alae_conformance import tape as tapes
from alae_conformance.comparison import Observations
from alae_conformance.experiments.experiment import experiment
from alae_conformance.experiments.image_sizes import lifted_state
from alae_conformance.experiments.setting import Setting
from alae_conformance.fixture import config_of
from alae_conformance.reference.augment import COLOUR, CUT_SHARE, CUTOUT, FLIP, ROTATE, SCALE, SHIFT
from alae_conformance.subjects import Subject
from alae_core.draws import NUMBERS

#: the distance from a threshold, relative to it
_BESIDE = 2e-3
#: a probability at which a transformation of a batch of six hardly ever fails to happen
_LIKELY = 0.95
#: a number of channels without a hue
_CHANNELS = 4
#: number of steps at which mixed styles are drawn
_STEPS = 400


@experiment(rounding="kinks", trains=False)
def edges(subject: Subject, setting: Setting) -> Observations:
    """Compute losses where transformations just happen or do not, and cut-outs end beside the centres of pixels."""
    setting.open(subject)
    subject.load(setting.initial_state())
    inputs, config = tapes.inputs(setting.tape), config_of(setting.fixture, setting.lane)
    height, width, _ = config.image
    probability = 0.0 if config.augment is None else config.augment.p
    observed = Observations()
    for side, word in ((-1, "below"), (1, "above")):
        draws = {}
        for update, drawn in inputs.draws.items():
            augment = None if drawn.augment is None else np.array(drawn.augment)
            if augment is not None:
                _beside_p(augment, probability, side)
                _beside_pixels(augment[:, CUTOUT], (height, width), side)
            draws[update] = drawn._replace(augment=augment)
        for update, loss in subject.losses(inputs._replace(draws=draws)).items():
            observed[f"losses/{update} {word} the edges"] = np.asarray(loss)
    return observed


@experiment(trains=False)
def alone(subject: Subject, setting: Setting) -> Observations:
    """Compute losses where each transformation is the only one, and nearly always happens.

    Colours change in images of four channels too, which have no hue.
    """
    config, inputs, observed = config_of(setting.fixture, setting.lane), tapes.inputs(setting.tape), Observations()
    for name in NUMBERS:
        subject.open(config.data() | {"augment": {"p": _LIKELY, "transforms": [name]}}, anew=True)
        subject.load(setting.initial_state())
        for update, loss in subject.losses(inputs).items():
            observed[f"losses/{update} with {name} alone"] = np.asarray(loss)
    height, width, _ = config.image
    augment = {"p": _LIKELY, "transforms": ["colour"]}
    data = config.data() | {"image": [height, width, _CHANNELS], "augment": augment}
    subject.open(data, anew=True)
    subject.load(lifted_state(data))
    images = np.resize(inputs.images, (len(inputs.images), height, width, _CHANNELS))
    for update, loss in subject.losses(inputs._replace(images=images)).items():
        observed[f"losses/{update} with colour alone, of {_CHANNELS} channels"] = np.asarray(loss)
    return observed


def _beside_p(augment: np.ndarray, p: float, side: int) -> None:
    """Let one transformation of each image have a deciding number beside its probability, and never happen else."""
    first = [FLIP, *(each.start for each in (SHIFT, SCALE, ROTATE, COLOUR))]
    augment[:, first] = 0.99
    for image, column in enumerate(first):
        augment[image, column] = (p / 2 if column == FLIP else p) * (1 + side * _BESIDE)
    augment[:, CUTOUT.start] = 0


def _beside_pixels(cutout: np.ndarray, sides: tuple[int, int], side: int) -> None:
    """Let each cut-out end beside the centre of another pixel, in its row and in its column."""
    for axis, size in enumerate(sides):
        half = CUT_SHARE * size / 2 * (1 + side * _BESIDE)
        pixels = np.arange(len(cutout)) % (size // 2)
        cutout[:, 1 + axis] = (pixels + 0.5 + half) / size


@experiment(trains=False)
def mixes(subject: Subject, setting: Setting) -> Observations:
    """Draw the layers from which styles are mixed, at many steps."""
    setting.open(subject)
    drawn: list[Mapping[str, np.ndarray]] = [subject.draws(step, 1) for step in range(_STEPS)]
    return {f"draws/{name}": np.array([each[name] for each in drawn]) for name in drawn[0] if name.endswith("cutoff")}
