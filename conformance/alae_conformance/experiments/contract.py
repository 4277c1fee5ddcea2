"""What is done to a subject in each experiment, and what is seen; the reference is asked in the very same way."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from alae_conformance import tape as tapes
from alae_conformance.judge import Observations
from alae_conformance.moments import deviations
from alae_conformance.subjects import Arrays, Subject
from alae_conformance.subjects.reference import ReferenceSubject
from alae_conformance.tolerances import Lane
from alae_conformance.vectors import Experiment, Fixture, config_of
from alae_core.errors import CheckpointError

#: steps of a free run
STEPS = 20
#: inputs looked at in one call: more than the 512 of a chunk
MANY = 520
#: the steps whose noise is looked at, all of one level of detail, and for how many images
NOISY, IMAGES = (2, 10), 16
#: steps that draw for themselves
DRAWN = 2
#: steps of each run of the reciprocity statistics, and how often it is measured
LONG_RUN, EVERY = 400, 50


@dataclass(frozen=True)
class Setting:
    """Where an experiment takes place."""

    fixture: Fixture
    lane: Lane
    tape: Mapping[str, np.ndarray]
    checkpoints: Path  # where subjects leave checkpoints for each other, by subject and fixture
    peers: tuple[str, ...] = field(default=("reference",))  # who has left one

    def open(self, subject: Subject) -> None:
        """Open the fixture's run."""
        subject.open(config_of(self.fixture, self.lane).data())

    def start(self) -> Arrays:
        """The state that runs start from."""
        reference = ReferenceSubject()
        self.open(reference)
        return tapes.start(self.tape, reference)

    def halves(self) -> tuple[int, int]:
        """The steps of a run before its checkpoint changes hands, and after: half of them, or midway between looks."""
        if not self.fixture.grown:
            return STEPS // 2, STEPS - STEPS // 2
        first, last = self.fixture.grown
        return (first + last) // 2, last - (first + last) // 2


def contract(subject: Subject, setting: Setting) -> Observations:
    """L0: names, shapes, dtypes, loading by name, refusing what does not fit, the z of a run."""
    setting.open(subject)
    hello = subject.hello()
    found: dict[str, Any] = {
        "identity/Keras runs on the framework that the backend declares": hello["running"] == hello["keras_backend"],
        "identity/it says on which device it computes": bool(hello["device"]) and bool(hello["devices"]),
        "identity/it records the version of Keras": "keras" in hello["versions"],
    }
    state = tapes.group("states/7", setting.tape)
    dtype = config_of(setting.fixture, setting.lane).dtype
    # In another order: a state is known by its names.
    subject.load(dict(reversed(state.items())))
    after, weights = subject.state(), tapes.group("weights", state)
    given = {name: array.astype(dtype) if array.dtype.kind == "f" else array for name, array in state.items()}
    found |= {
        "names/state": np.array([f"{name} {array.shape}" for name, array in sorted(after.items())]),
        "names/weights": np.array([f"{name} {array.shape}" for name, array in sorted(subject.weights().items())]),
        "dtypes/state": _names(
            f"{name} is {array.dtype}"
            for name, array in after.items()
            if name in given and array.dtype != given[name].dtype
        ),
        "by_name/state": _changed(after, given),
        "by_name/weights": _changed(subject.weights(), weights),
        "by_name/averages": _changed(subject.weights(averaged=True), tapes.group("averages", state)),
        "by_name/model": _changed(subject.held(), _only(("weights", "w_mean"), given)),
    }
    for what, arrays in _unfit(state).items():
        refused = False
        try:
            subject.load(arrays)
        except CheckpointError:
            refused = True
        found[f"refuses/{what}"] = refused
    subject.load(state)
    found["snapshot/arrays changed later"] = _names(subject.shared_arrays(tapes.batches(setting.tape)))
    size = setting.tape["images"].shape[1]
    for step in tapes.DRAWN:
        found |= {f"draws/{step}/{name}": array for name, array in subject.draws(step, size).items()}
    return {name: np.asarray(value) for name, value in found.items()}


def refusals(subject: Subject, setting: Setting) -> Observations:
    """L0: what is refused leaves the run as it was: another state of it, that would fit but for one array."""
    setting.open(subject)
    state, batches = tapes.group("states/7", setting.tape), tapes.batches(setting.tape)
    subject.load(state)
    before, held, found = subject.state(), subject.held(), Observations()
    for what, arrays in _unfit(tapes.group("states/0", setting.tape)).items():
        with suppress(CheckpointError):
            subject.load(arrays)
        found |= {
            f"still/state where {what}": _changed(subject.state(), before),
            f"still/model where {what}": _changed(subject.held(), held),
        }
    subject.run(batches, 1)
    after = subject.state()
    subject.load(state)
    subject.run(batches, 1)
    return found | {"still/state a step later": _changed(after, subject.state())}


def initial(subject: Subject, setting: Setting) -> Observations:
    """L0: a new run, to the last bit: weights from its seed, averages that begin as those, and nothing else yet."""
    subject.open(config_of(setting.fixture, setting.lane).data(), anew=True)
    state = subject.state()
    found = {f"initial/{name}": array for name, array in state.items()}
    return found | {"initial/of the model": _changed(subject.held(), _only(("weights", "w_mean"), state))}


def noise(subject: Subject, setting: Setting) -> Observations:
    """L0: what a device draws as noise, step by step of one level: N(0, 1), independent wherever it should be."""
    config = config_of(setting.fixture, setting.lane)
    found, (first, last) = Observations(), NOISY
    runs: list[list[Arrays]] = []
    for seed in (config.seed + 1, config.seed, config.seed):
        subject.open({**config.data(), "seed": seed}, anew=True)
        runs.append([subject.noise(step, IMAGES) for step in range(first, last)])
    other, own, again = runs
    for step in (0, first):
        maps = subject.noise(step, IMAGES)
        found[f"shapes/{step}"] = np.array([f"{name} {array.shape}" for name, array in sorted(maps.items())])
    found["repeats/noise of an equal seed"] = np.concatenate([_changed(*pair) for pair in zip(again, own, strict=True)])
    by_update = [[_by_update(maps) for maps in run] for run in (own, other)]
    return found | {f"noise/{name}": np.asarray(z) for name, z in deviations(*by_update).items()}


def values(subject: Subject, setting: Setting) -> Observations:
    """L1: each network's output, the gradient with respect to images, every loss."""
    setting.open(subject)
    subject.load(setting.start())
    found: Observations = {}
    for where, given in tapes.views(setting.fixture, setting.tape).items():
        found |= {f"forward/{name}{where}": array for name, array in subject.forward(given).items()}
        if config_of(setting.fixture, setting.lane).algorithm == "alae":
            logits, gradient = subject.input_gradient(given)
            found |= {f"input_gradient/D(E(x)){where}": logits, f"input_gradient/gradient{where}": gradient}
        found |= {f"losses/{update}{where}": np.asarray(loss) for update, loss in subject.losses(given).items()}
    return found


def many(subject: Subject, setting: Setting) -> Observations:
    """L1: each network's output for more inputs than a model looks at together, a row for each."""
    setting.open(subject)
    subject.load(setting.start())
    given = tapes.many_inputs(setting.tape, MANY)
    return {f"forward/{name} of {MANY}": array for name, array in subject.forward(given).items()}


def gradients(subject: Subject, setting: Setting) -> Observations:
    """L2: every gradient of every update, and that looking changes nothing."""
    setting.open(subject)
    subject.load(setting.start())
    before, found = subject.state(), Observations()
    for where, given in tapes.views(setting.fixture, setting.tape).items():
        for update in given.draws:
            pulled = subject.gradients(update, given)
            found |= {f"gradients/{update}{where}/{name}": array for name, array in pulled.items()}
        subject.losses(given)
        subject.forward(given)
    return found | {"still/state": _changed(subject.state(), before)}


def reloaded(subject: Subject, setting: Setting) -> Observations:
    """L2: outputs, losses and gradients at weights that were loaded after others had been looked at."""
    setting.open(subject)
    given, found = tapes.inputs(setting.tape), Observations()
    for state in (setting.start(), tapes.group("states/7", setting.tape)):
        subject.load(state)
        found = {f"forward/{name}": array for name, array in subject.forward(given).items()}
        found |= {f"losses/{update}": np.asarray(loss) for update, loss in subject.losses(given).items()}
        for update in given.draws:
            pulled = subject.gradients(update, given)
            found |= {f"gradients/{update}/{name}": array for name, array in pulled.items()}
    return found


def substeps(subject: Subject, setting: Setting) -> Observations:
    """L3: from states of a trajectory, each update by itself: who moved, how far, with which moments."""
    setting.open(subject)
    found: Observations = {}
    for k in tapes.STATES:
        state = tapes.group(f"states/{k}", setting.tape)
        for update in tapes.inputs(setting.tape).draws:
            subject.load(state)
            before = subject.state()
            losses = subject.run(tapes.batches(setting.tape), 1, only=update)
            found |= {f"losses/{k}/{name}": loss for name, loss in losses.items()}
            moves = movements(f"{k}/{update}", before, subject.state())
            found |= {key: array for key, array in moves.items() if not key.startswith("averages")}
    return found


def only(subject: Subject, setting: Setting) -> Observations:
    """L3: a step of one update alone moves every average, the mean of w and the counts, as a whole one does."""
    setting.open(subject)
    subject.load(tapes.group("states/7", setting.tape))
    before = subject.state()
    subject.run(tapes.batches(setting.tape), 1, only="generator")
    moves = movements("generator", before, subject.state())
    return {key: array for key, array in moves.items() if key.startswith(("averages", "w_mean", "counts"))}


def fed(subject: Subject, setting: Setting) -> Observations:
    """L3: steps as training takes them, on batches of bytes that were put long before."""
    setting.open(subject)
    subject.load(setting.start())
    before, batches = subject.state(), tapes.batches(setting.tape)
    images = np.rint((batches.images + 1) * 127.5).astype(np.uint8)
    losses = subject.train(replace(batches, images=images), tapes.BATCHES)
    moves = movements("fed", before, subject.state())
    return {
        **{f"trajectory/{update}": array for update, array in losses.items()},
        **{key: array for key, array in moves.items() if not key.startswith("moments")},
    }


def drawn(subject: Subject, setting: Setting) -> Observations:
    """L3: a step that is given nothing draws what its run says: each loss as a share of what it is with that given."""
    setting.open(subject)
    runs = []
    for given in (False, True):
        subject.load(setting.start())
        runs.append(subject.train(tapes.batches(setting.tape), DRAWN, given=given))
    own, same = runs
    return {f"drawn/{update}": own[update] / same[update] for update in own}


def free_run(subject: Subject, setting: Setting) -> Observations:
    """L3: twenty whole steps, as training runs them."""
    setting.open(subject)
    subject.load(setting.start())
    before = subject.state()
    losses = subject.run(tapes.batches(setting.tape), STEPS)
    after = subject.state()
    return {
        **{f"trajectory/{update}": array for update, array in losses.items()},
        **{key: array for key, array in movements(f"{STEPS}", before, after).items() if not key.startswith("moments")},
        **_in_place(subject, after),
    }


def precision(subject: Subject, setting: Setting) -> Observations:
    """L3: a whole step from the middle of a trajectory, and whether what is stored has more digits than bfloat16."""
    setting.open(subject)
    subject.load(tapes.group("states/7", setting.tape))
    before = subject.state()
    subject.run(tapes.batches(setting.tape), 1)
    after = subject.state()
    rounded = {name: _rounded(array) for name, array in after.items()}
    kinds = {
        "weights": ("weights/", ""),
        "averages": ("averages/", ""),
        "first moments": ("adam/", "/m/"),
        "second moments": ("adam/", "/v/"),
    }
    return movements("8", before, after) | {
        f"digits/arrays of {kind} that bfloat16 holds": _names(
            n for n in after if rounded[n] and n.startswith(start) and part in n
        )
        for kind, (start, part) in kinds.items()
    }


def growth(subject: Subject, setting: Setting) -> Observations:
    """L3: from level of detail to level of detail, seen after the fixture's steps."""
    setting.open(subject)
    subject.load(setting.start())
    found, losses = Observations(), []
    for first, last in pairwise((0, *setting.fixture.grown)):
        before = subject.state()
        losses.append(subject.run(tapes.batches(setting.tape), last - first))
        found |= movements(f"{last}", before, subject.state())
    return found | {f"trajectory/{update}": np.concatenate([leg[update] for leg in losses]) for update in losses[0]}


def in_place(subject: Subject, setting: Setting) -> Observations:
    """L3: a run trains the model that it was started with, through all levels that `growth` looks at."""
    setting.open(subject)
    subject.load(setting.start())
    subject.run(tapes.batches(setting.tape), setting.fixture.grown[-1])
    return _in_place(subject, subject.state())


def reciprocity(subject: Subject, setting: Setting) -> Observations:
    """L4: R = mean ‖F(z) − E(G(F(z)))‖² / var F(z) of held-out z, along many long runs."""
    setting.open(subject)
    fresh, batches = setting.start(), tapes.batches(setting.tape)
    z = setting.tape["held_out_z"]
    errors = np.empty((setting.fixture.seeds, LONG_RUN // EVERY + 1))
    for seed in range(len(errors)):
        # One compiled run: other weights, and a stretch of steps of its own, hence other z.
        weights = tapes.group(f"seeds/{seed}", setting.tape)
        state = fresh | {f"{kind}/{name}": array for name, array in weights.items() for kind in ("weights", "averages")}
        subject.load(state | {"step": np.array(seed * LONG_RUN)})
        errors[seed, 0] = subject.reciprocity_error(z)
        for point in range(1, errors.shape[1]):
            subject.run(batches, EVERY)
            errors[seed, point] = subject.reciprocity_error(z)
    return {"reciprocity/error": errors}


def portability(subject: Subject, setting: Setting) -> Observations:
    """L5: a checkpoint midway, read back by its writer: the very same run; its numbers are the reference's."""
    setting.open(subject)
    start = setting.start()
    subject.load(start)
    before, batches = subject.state(), tapes.batches(setting.tape)
    half, rest = setting.halves()
    subject.run(batches, half)
    path = subject.save(str(home(setting, subject.hello()["name"])))
    written = subject.state()
    subject.run(batches, rest)
    straight = subject.state()
    subject.load(start)
    subject.resume(path)
    read = subject.state()
    subject.run(batches, rest)
    return {
        "own/state read back": _changed(read, written),
        "own/state ten steps later": _changed(subject.state(), straight),
        **{key: array for key, array in movements("written", before, written).items() if not key.startswith("moments")},
    }


def peers(subject: Subject, setting: Setting) -> Observations:
    """L5: going on from the checkpoints that others have written, the reference among them."""
    setting.open(subject)
    subject.load(setting.start())
    before = subject.state()
    found: Observations = {}
    for peer in setting.peers:
        (path,) = home(setting, peer).glob("step-*")
        subject.resume(str(path))
        subject.run(tapes.batches(setting.tape), setting.halves()[1])
        moves = movements(f"from {peer}", before, subject.state())
        found |= {key: array for key, array in moves.items() if not key.startswith("moments")}
    return found


EXPERIMENTS: dict[Experiment, Callable[[Subject, Setting], Observations]] = {
    "contract": contract,
    "refusals": refusals,
    "initial": initial,
    "noise": noise,
    "values": values,
    "many": many,
    "gradients": gradients,
    "reloaded": reloaded,
    "substeps": substeps,
    "only": only,
    "fed": fed,
    "drawn": drawn,
    "free_run": free_run,
    "precision": precision,
    "growth": growth,
    "in_place": in_place,
    "reciprocity": reciprocity,
    "portability": portability,
    "peers": peers,
}


def home(setting: Setting, subject: str) -> Path:
    """Where a subject leaves its checkpoints of a fixture."""
    return setting.checkpoints / subject / setting.fixture.id


def _unfit(state: Mapping[str, np.ndarray]) -> dict[str, Arrays]:
    """States that do not fit the run that a state is of, by why."""
    first = next(name for name in state if name.startswith("weights/"))
    return {
        "an array is missing": {name: array for name, array in state.items() if name != first},
        "an array is unknown": {**state, "weights/H/dense0/kernel": np.zeros(3)},
        "an array has another shape": {**state, first: np.zeros((1, 1))},
    }


def _changed(found: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray]) -> np.ndarray:
    """The names of arrays that are not the same to the last bit, or not there."""
    return _names(
        name
        for name in found.keys() | expected.keys()
        if not (name in found and name in expected and np.array_equal(found[name], expected[name]))
    )


def _names(names: Iterable[str]) -> np.ndarray:
    return np.array(sorted(names), str)


def _rounded(array: np.ndarray) -> bool:
    """Whether bfloat16 would hold all of an array, which a single number may be by chance."""
    return array.size > 1 and np.array_equal(tapes.to_bfloat16(array), array)


def _only(kinds: tuple[str, ...], state: Mapping[str, np.ndarray]) -> Arrays:
    """The arrays of some kinds, "weights" or "w_mean" say, by their whole names."""
    return {name: array for name, array in state.items() if name.partition("/")[0] in kinds}


def _by_update(maps: Arrays) -> dict[str, list[np.ndarray]]:
    """Noise as `Subject.noise` names it, as a list of maps for each update."""
    found: dict[str, list[np.ndarray]] = {}
    for name, array in maps.items():
        found.setdefault(name.rpartition("/")[0], []).append(np.asarray(array))
    return found


def _in_place(subject: Subject, state: Mapping[str, np.ndarray]) -> Observations:
    """What of the model that a run was started with, and of the run, is not as in the run's state."""
    held, weights = subject.held(), tapes.group("weights", state)
    found = {
        "in_place/weights of the model": _changed(tapes.group("weights", held), weights),
        "in_place/weights of the run": _changed(subject.weights(), weights),
    }
    if "w_mean" in state:
        found["in_place/running mean of w"] = _changed(_only(("w_mean",), held), _only(("w_mean",), state))
    return found


def movements(prefix: str, before: Mapping[str, np.ndarray], after: Mapping[str, np.ndarray]) -> Observations:
    """How far everything in a state went, in float64; counts as they are."""
    found: Observations = {}
    for name, array in after.items():
        kind, _, rest = name.partition("/")
        if array.dtype.kind == "i":
            found[f"counts/{prefix}/{name}"] = array
        else:
            if array.shape != before[name].shape:
                raise ValueError(f"{name} had shape {before[name].shape}, and has {array.shape} a step later")
            difference = array.astype(np.float64) - before[name].astype(np.float64)
            if kind in ("w_mean", "augment_p"):
                found[f"{kind}/{prefix}"] = difference
            elif kind == "adam":
                adam, network, moment, weight = rest.split("/", 3)
                found[f"moments/{moment}/{prefix}/{adam}/{network}/{weight}"] = difference
            else:
                check = "displacement" if kind == "weights" else "averages"
                found[f"{check}/{prefix}/{rest}"] = difference
    return found
