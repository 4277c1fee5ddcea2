"""L0: names, shapes, dtypes, loading, refusals, initial weights, and the random numbers of a run."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np

from alae_conformance import tape as tapes
from alae_conformance.comparison import Observations
from alae_conformance.experiments.experiment import experiment
from alae_conformance.experiments.ranges import last_draws
from alae_conformance.experiments.setting import Setting
from alae_conformance.experiments.states import differing_names, is_refused, select_kinds, sorted_names
from alae_conformance.fixture import config_of
from alae_conformance.noise_statistics import deviations, maps_by_update
from alae_conformance.subjects import Arrays, Subject
from alae_core.errors import ArgumentError, CheckpointError

#: steps at which noise is examined, all at one level of detail, and the number of images per step
_STEPS, _IMAGES = range(2, 10), 16
#: distant steps at which fixtures with augmentation draw random numbers
_FAR_STEPS = (2**20, 2**33)


@experiment()
def contract(subject: Subject, setting: Setting) -> Observations:
    """Load a state in another order, try three that do not fit, and draw each update's random numbers."""
    setting.open(subject)
    hello = subject.hello()
    observed: dict[str, Any] = {
        "identity/Keras runs on the framework that the backend declares": hello["running"] == hello["keras_backend"],
        "identity/it says on which device it computes": bool(hello["device"]) and bool(hello["devices"]),
        "identity/it records the version of Keras": "keras" in hello["versions"],
    }
    state = tapes.group("states/7", setting.tape)
    dtype = config_of(setting.fixture, setting.lane).dtype
    # Reorder the arrays, because names identify them.
    subject.load(dict(reversed(state.items())))
    after, weights = subject.state(), tapes.group("weights", state)
    loaded = {name: array.astype(dtype) if array.dtype.kind == "f" else array for name, array in state.items()}
    observed |= {
        "names/state": np.array([f"{name} {array.shape}" for name, array in sorted(after.items())]),
        "names/weights": np.array([f"{name} {array.shape}" for name, array in sorted(subject.weights().items())]),
        "dtypes/state": sorted_names(
            f"{name} is {array.dtype}"
            for name, array in after.items()
            if name in loaded and array.dtype != loaded[name].dtype
        ),
        "by_name/state": differing_names(after, loaded),
        "by_name/weights": differing_names(subject.weights(), weights),
        "by_name/averages": differing_names(subject.weights(averaged=True), tapes.group("averages", state)),
        "by_name/model": differing_names(subject.model_state(), select_kinds(("weights", "w_mean"), loaded)),
    }
    other = {name: np.flip(array) if array.dtype.kind == "f" else array for name, array in loaded.items()}
    subject.load(other)
    observed["by_name/another state of the same step"] = differing_names(subject.state(), other)
    for reason, arrays in _unfit_states(state).items():
        observed[f"refuses/{reason}"] = is_refused(subject, arrays)
    subject.load(state)
    observed["snapshot/arrays changed later"] = sorted_names(subject.shared_arrays(tapes.batches(setting.tape)))
    size = setting.tape["images"].shape[1]
    far = () if config_of(setting.fixture, setting.lane).augment is None else _FAR_STEPS
    for step in (*tapes.DRAWN_STEPS, *far):
        observed |= {f"draws/{step}/{name}": array for name, array in subject.draws(step, size).items()}
    if far:
        observed |= last_draws(subject, 0)
    return {name: np.asarray(value) for name, value in observed.items()}


@experiment()
def refusals(subject: Subject, setting: Setting) -> Observations:
    """Try to load states that do not fit, and compare the run with its state before."""
    setting.open(subject)
    state, batches = tapes.group("states/7", setting.tape), tapes.batches(setting.tape)
    subject.load(state)
    before, held, observed = subject.state(), subject.model_state(), Observations()
    for reason, arrays in _unfit_states(tapes.group("states/0", setting.tape)).items():
        with suppress(CheckpointError):
            subject.load(arrays)
        observed |= {
            f"still/state where {reason}": differing_names(subject.state(), before),
            f"still/model where {reason}": differing_names(subject.model_state(), held),
        }
    with suppress(ArgumentError):
        subject.run(replace(batches, images=batches.images[:, :, 1:]), 1)
        observed["still/a batch of smaller images"] = sorted_names(["was not refused"])
    observed["still/state where images are too small"] = differing_names(subject.state(), before)
    subject.run(batches, 1)
    after = subject.state()
    subject.load(state)
    subject.run(batches, 1)
    return observed | {"still/state a step later": differing_names(after, subject.state())}


@experiment()
def initial(subject: Subject, setting: Setting) -> Observations:
    """Start a new run: weights drawn from its seed, averages equal to them, all else zero."""
    subject.open(config_of(setting.fixture, setting.lane).data(), anew=True)
    state = subject.state()
    observed = {f"initial/{name}": array for name, array in state.items()}
    return observed | {
        "initial/of the model": differing_names(subject.model_state(), select_kinds(("weights", "w_mean"), state))
    }


@experiment()
def noise(subject: Subject, setting: Setting) -> Observations:
    """Draw the noise of eight steps: N(0, 1), independent between pixels, images, layers, updates, steps and seeds."""
    config = config_of(setting.fixture, setting.lane)
    observed = Observations()
    runs: list[list[Arrays]] = []
    for seed in (config.seed + 1, config.seed, config.seed):
        subject.open({**config.data(), "seed": seed}, anew=True)
        runs.append([subject.noise(step, _IMAGES) for step in _STEPS])
    other, own, again = runs
    for step in (0, _STEPS[0]):
        maps = subject.noise(step, _IMAGES)
        observed[f"shapes/{step}"] = np.array([f"{name} {array.shape}" for name, array in sorted(maps.items())])
    observed["repeats/noise of an equal seed"] = np.concatenate(
        [differing_names(*pair) for pair in zip(again, own, strict=True)]
    )
    by_update = [[maps_by_update(maps) for maps in run] for run in (own, other)]
    return observed | {f"noise/{name}": np.asarray(z) for name, z in deviations(*by_update).items()}


def _unfit_states(state: Mapping[str, np.ndarray]) -> dict[str, Arrays]:
    """Return changed copies of a state that a run must refuse, by reason."""
    first = next(name for name in state if name.startswith("weights/"))
    return {
        "an array is missing": {name: array for name, array in state.items() if name != first},
        "an array is unknown": {**state, "weights/H/dense0/kernel": np.zeros(3)},
        "an array has another shape": {**state, first: np.zeros((1, 1))},
    }
