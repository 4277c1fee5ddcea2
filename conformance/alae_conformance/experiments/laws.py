"""L3: the results of a step that follow exactly from its own gradients, however these are rounded."""

from collections.abc import Iterator, Mapping

import numpy as np

from alae_conformance import tape as tapes
from alae_conformance.comparison import Observations
from alae_conformance.experiments.experiment import experiment
from alae_conformance.experiments.setting import Setting
from alae_conformance.experiments.states import fits_bfloat16
from alae_conformance.fixture import config_of
from alae_conformance.reference.growth import Position, position
from alae_conformance.subjects import Subject
from alae_core.config import Adam

State = Mapping[str, np.ndarray]
#: steps that are compared
_STEPS = 3


@experiment()
def laws(subject: Subject, setting: Setting) -> Observations:
    """Take steps; Adam's second moments, the weights and the averages must follow from the new first moments.

    Gradients of bfloat16 are too coarse to show a rate that is wrong by a few percent, but moments are stored with the
    digits of float32. Each update needs an Adam of its own, because only the state after a whole step is known.
    """
    setting.open(subject)
    config, observed = config_of(setting.fixture, setting.lane), Observations()
    subject.load(tapes.group("states/7", setting.tape))
    for step in range(_STEPS):
        before = subject.state()
        here = position(config, int(before["step"]))
        subject.run(tapes.batches(setting.tape), 1)
        after = subject.state()
        for name, error in _errors(config.adam, here, _floats(before), _floats(after)):
            observed[f"law/{name} {step}"] = np.asarray(1 + error)
        if config.augment is not None and config.adapts:
            share = here.batch_size / config.augment.images
            error = _distance_to_path(float(before["augment_p"]), float(after["augment_p"]), share)
            observed[f"law/p {step}"] = np.asarray(1 + error)
        if "w_mean" in after:
            coarse = fits_bfloat16(after["w_mean"])
            observed[f"law/digits of the mean of w {step}"] = np.asarray(1.0 + coarse)
    return observed


def _distance_to_path(before: float, after: float, share: float) -> float:
    """Return how far p is from the nearest place that a step may move it to, relative to the length of a step."""
    return min(abs(after - np.clip(before + way * share, 0, 0.8)) for way in (-1, 0, 1)) / share


def _errors(adam: Adam, here: Position, before: State, after: State) -> Iterator[tuple[str, float]]:
    """Yield the error of each law: the distance from the right result, relative to the change in the step."""
    moved = {name: np.zeros_like(array) for name, array in after.items() if name.startswith("weights/")}
    for home in sorted(name.removesuffix("/t") for name in after if name.endswith("/t")):
        weights = [name.removeprefix(f"{home}/m/") for name in after if name.startswith(f"{home}/m/")]
        t, (_, update, network) = float(after[f"{home}/t"]), home.split("/")
        if t == before[f"{home}/t"]:
            continue  # an update that is rare
        rate = here.learning_rate * (1 - adam.warmup**t) * np.sqrt(1 - adam.beta2**t) / (1 - adam.beta1**t)
        found, wanted, old = list[np.ndarray](), list[np.ndarray](), list[np.ndarray]()
        for weight in weights:
            (m, v), (new_m, new_v) = ([state[f"{home}/{kind}/{weight}"] for kind in "mv"] for state in (before, after))
            gradient = (new_m - adam.beta1 * m) / (1 - adam.beta1)
            wanted.append(np.ravel(adam.beta2 * v + (1 - adam.beta2) * gradient**2))
            found.append(np.ravel(new_v))
            old.append(np.ravel(v))
            moved[f"weights/{network}/{weight}"] -= rate * new_m / (np.sqrt(new_v) + adam.epsilon)
        yield f"second moments of {update} for {network}", _apart(found, wanted, old)
    for network in sorted({name.split("/")[1] for name in moved}):
        names = [name for name in moved if name.split("/")[1] == network]
        old = [np.ravel(before[name]) for name in names]
        wanted = [weight + np.ravel(moved[name]) for weight, name in zip(old, names, strict=True)]
        yield f"weights of {network}", _apart([np.ravel(after[name]) for name in names], wanted, old)
        names = [name.replace("weights/", "averages/") for name in names]
        old = [np.ravel(before[name]) for name in names]
        wanted = [
            here.average_decay * average + (1 - here.average_decay) * np.ravel(after[f"weights/{name[9:]}"])
            for average, name in zip(old, names, strict=True)
        ]
        yield f"averages of {network}", _apart([np.ravel(after[name]) for name in names], wanted, old)


def _apart(found: list[np.ndarray], wanted: list[np.ndarray], old: list[np.ndarray]) -> float:
    """‖found − wanted‖ / ‖wanted − old‖ over all arrays; 0 if nothing should change and nothing has."""
    after, right, before = (np.concatenate(arrays) for arrays in (found, wanted, old))
    apart, moved = np.linalg.norm(after - right), np.linalg.norm(right - before)
    return float(apart / moved) if moved else float(apart > 0)


def _floats(state: State) -> State:
    return {name: np.asarray(array, np.float64) for name, array in state.items()}
