"""Differences between states, which describe the effect of training steps."""

from collections.abc import Collection, Iterable, Mapping

import numpy as np

from alae_conformance import tape as tapes
from alae_conformance.comparison import Observations
from alae_conformance.subjects import Arrays, Batches, Subject
from alae_core.errors import CheckpointError


def movements(prefix: str, before: Mapping[str, np.ndarray], after: Mapping[str, np.ndarray]) -> Observations:
    """Return every float array's displacement, in float64, and every count after the step.

    Keys are displacement/PREFIX/WEIGHT, averages/PREFIX/WEIGHT, moments/MOMENT/PREFIX/ADAM/WEIGHT, w_mean/PREFIX,
    augment_p/PREFIX and counts/PREFIX/NAME. Raises ValueError if an array has changed its shape.
    """
    moved: Observations = {}
    for name, array in after.items():
        kind, _, rest = name.partition("/")
        if array.dtype.kind == "i":
            moved[f"counts/{prefix}/{name}"] = array
            continue
        if array.shape != before[name].shape:
            raise ValueError(f"{name} had shape {before[name].shape}, and has {array.shape} a step later")
        difference = array.astype(np.float64) - before[name].astype(np.float64)
        if kind in ("w_mean", "augment_p"):
            moved[f"{kind}/{prefix}"] = difference
        elif kind == "adam":
            adam, network, moment, weight = rest.split("/", 3)
            moved[f"moments/{moment}/{prefix}/{adam}/{network}/{weight}"] = difference
        else:
            check = "displacement" if kind == "weights" else "averages"
            moved[f"{check}/{prefix}/{rest}"] = difference
    return moved


def observe_step(subject: Subject, batches: Batches, where: str, only: str | None = None) -> Observations:
    """Take a step, or one update; return its losses, by losses/WHERE/UPDATE, and all that it moved but averages."""
    before = subject.state()
    losses = subject.run(batches, 1, only)
    observed = {f"losses/{where}/{update}": loss for update, loss in losses.items()}
    return observed | drop_check("averages", movements(where, before, subject.state()))


def drop_check(check: str, observations: Observations) -> Observations:
    """Return observations without those of one check."""
    return {key: array for key, array in observations.items() if key.partition("/")[0] != check}


def is_refused(subject: Subject, state: Mapping[str, np.ndarray]) -> bool:
    """Load a state; return whether the subject refuses it."""
    try:
        subject.load(state)
    except CheckpointError:
        return True
    return False


def model_differences(subject: Subject, state: Mapping[str, np.ndarray]) -> Observations:
    """Return the names of arrays in the run, and in the model it was started with, that differ from its state."""
    held, weights = subject.model_state(), tapes.group("weights", state)
    differences = {
        "in_place/weights of the model": differing_names(tapes.group("weights", held), weights),
        "in_place/weights of the run": differing_names(subject.weights(), weights),
    }
    if "w_mean" in state:
        differences["in_place/running mean of w"] = differing_names(
            select_kinds(("w_mean",), held), select_kinds(("w_mean",), state)
        )
    return differences


def differing_names(arrays: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the names of arrays that are missing on one side, or differ in any bit."""
    return sorted_names(
        name
        for name in arrays.keys() | expected.keys()
        if not (name in arrays and name in expected and np.array_equal(arrays[name], expected[name]))
    )


def nonfinite_names(arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the names of arrays with a number that is not finite."""
    return sorted_names(name for name, array in arrays.items() if not np.isfinite(array).all())


def fits_bfloat16(array: np.ndarray) -> bool:
    """Return whether bfloat16 holds all numbers of an array; false for a single number, which may fit by chance."""
    return array.size > 1 and np.array_equal(tapes.to_bfloat16(array), array)


def last_kernel(state: Iterable[str], network: str) -> str:
    """Return the name of the kernel of the last layer of a network, of dense layers, in a state."""
    return max(name for name in state if name.startswith(f"weights/{network}/") and name.endswith("kernel"))


def sorted_names(names: Iterable[str]) -> np.ndarray:
    """Return names as a sorted array."""
    return np.array(sorted(names), str)


def select_kinds(kinds: Collection[str], state: Mapping[str, np.ndarray]) -> Arrays:
    """Return the arrays of some kinds, such as "weights" or "w_mean", by their full names."""
    return {name: array for name, array in state.items() if name.partition("/")[0] in kinds}
