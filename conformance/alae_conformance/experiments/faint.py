"""L1: inputs and weights so small that the ε of each norm matters in float32; maps far from zero."""

from collections.abc import Iterator, Mapping
from fnmatch import fnmatch

import numpy as np

from alae_conformance import tape as tapes
from alae_conformance.comparison import Observations
from alae_conformance.experiments.experiment import experiment
from alae_conformance.experiments.setting import Setting
from alae_conformance.fixture import config_of
from alae_conformance.subjects import Arrays, Inputs, Subject
from alae_core.config import Config

#: scales numbers so that their squares are about 1e-8, the ε of most norms
_FAINT = 2.0**-13
#: factors of weights by patterns of their names; the first that fits counts
Factors = Mapping[str, float]
#: maps of G before its instance norm are about 1e-4, as are those before D compares images
_OF_G: Factors = {"G/*/conv?/kernel": _FAINT, "G/*/noise": _FAINT, "G/*/styled?/bias": _FAINT}
_OF_D: Factors = {"D/from_rgb*": _FAINT, "D/block0/conv1/kernel": 1 / _FAINT}
#: deviations of E's maps are about 1e-5, where the ε of its instance norm, 1e-5, and of its statistics, 1e-10, matter;
#: the styles enlarge them again
_OF_E: Factors = {
    "E/*/style/kernel": 2.0**16,
    "E/*/style/bias": 0.0,
    "E/*/kernel": 2.0**-8,
    "E/from_rgb*": 2.0**-8,
    "E/*/bias": 2.0**-16,
}
#: added to G's biases: maps then have deviations of about 1, and the difference of mean squares and squared means has
#: lost five digits
_FAR = 2.0**9


@experiment(rounding="kinks", trains=False)
def faint(subject: Subject, setting: Setting) -> Observations:
    """Compute the networks' outputs where the inputs of norms are small."""
    setting.open(subject)
    config, observed = config_of(setting.fixture, setting.lane), Observations()
    *_, inputs = tapes.views(setting.fixture, setting.tape).values()
    for name, state, faded in _faint_cases(config, setting.initial_state(), inputs):
        subject.load(state)
        observed[f"forward/{name}"] = subject.forward(faded)[name[0]]
    return observed


@experiment(trains=False)
def distant(subject: Subject, setting: Setting) -> Observations:
    """Compute G's images where the means of its maps are far larger than their deviations."""
    setting.open(subject)
    state = setting.initial_state()
    far = {name: array + _FAR for name, array in state.items() if fnmatch(name, "weights/G/*/styled?/bias")}
    subject.load(state | far)
    *_, inputs = tapes.views(setting.fixture, setting.tape).values()
    return {"forward/G of distant maps": subject.forward(inputs)["G"]}


def _faint_cases(config: Config, state: Arrays, inputs: Inputs) -> Iterator[tuple[str, Arrays, Inputs]]:
    """Yield outputs that depend on an ε: the network and why, a state, and inputs."""
    style = config.networks.family == "style"
    if style or config.networks.F.pixel_norm:
        draws = {
            update: drawn._replace(z=None if drawn.z is None else drawn.z * _FAINT)
            for update, drawn in inputs.draws.items()
        }
        yield "F of small z", state, inputs._replace(draws=draws)
    if config.networks.normalize_w:
        for network in "FE":
            last = max(name for name in state if fnmatch(name, f"weights/{network}/dense*/kernel"))
            factors = {last.removeprefix("weights/").replace("kernel", "*"): _FAINT}
            yield f"{network} before w is normalized", _scale_weights(state, factors), inputs
    if style:
        yield "G of small maps", _scale_weights(state, _OF_G), inputs
        if config.style.encoder == "style":
            yield "E of small maps", _scale_weights(state, _OF_E), inputs
        if config.style.discriminator == "images":
            yield "D of small maps", _scale_weights(state, _OF_D), inputs


def _scale_weights(state: Arrays, factors: Factors) -> Arrays:
    def scale(name: str, weight: np.ndarray) -> np.ndarray:
        fitting = (factor for pattern, factor in factors.items() if fnmatch(name, f"weights/{pattern}"))
        return weight * next(fitting, 1.0)

    return {name: scale(name, array) for name, array in state.items()}
