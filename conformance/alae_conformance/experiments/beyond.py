"""L3: the path of training through a fade to the next level, as people run it."""

from dataclasses import replace

import numpy as np

from alae_conformance import tape as tapes
from alae_conformance.comparison import Observations
from alae_conformance.experiments.experiment import experiment
from alae_conformance.experiments.setting import Setting
from alae_conformance.experiments.states import (
    drop_check,
    model_differences,
    movements,
    observe_step,
    sorted_names,
)
from alae_conformance.fixture import config_of
from alae_conformance.subjects import Arrays, Subject
from alae_core.images import to_float, to_uint8

#: steps, all of which are put before the first
_AHEAD = 8
#: numbers of steps between looks at the model
_LEGS = (1, 2, 1, 3)
#: the factors of means in two runs, and the steps of each
_FACTORS, _TURNS = (1.0, 2.0), 2
#: the difference that rounding a state to float32 may cause; a step moves weights by at least 0.002
_SAME = 1e-5


@experiment()
def drawn_on(subject: Subject, setting: Setting) -> Observations:
    """Take steps that draw their own numbers, from the first level through a fade, and steps given the same ones."""
    setting.open(subject)
    runs, states = [], list[Arrays]()
    batches = tapes.batches(setting.tape)
    as_bytes = to_uint8(batches.images)
    # The same images are given as floats, and then put as bytes.
    for given, images in ((True, to_float(as_bytes)), (False, as_bytes)):
        subject.load(setting.initial_state())
        before = subject.state()
        losses = subject.train(replace(batches, images=images), _AHEAD, given=given)
        states.append(subject.state())
        # A step that is given noise after steps that drew their own.
        runs.append(losses | {f"{name} given noise": loss for name, loss in subject.run(batches, 1).items()})
    (same, own), (expected, after) = runs, states
    observed: Observations = {f"drawn/{update}": own[update] / same[update] for update in own}
    for name in (name for name, array in expected.items() if array.dtype.kind == "f" and array.ndim):
        moved = np.linalg.norm(expected[name].astype(np.float64) - before[name])
        apart = np.linalg.norm(expected[name].astype(np.float64) - after[name])
        observed[f"state/{name}"] = np.array(1 + apart / (moved or 1))
    return observed | {f"counts/{name}": array for name, array in after.items() if array.dtype.kind == "i"}


@experiment(rounding="kinks")
def levels(subject: Subject, setting: Setting) -> Observations:
    """Load states of another level into a run, back and forth, and take a step from each."""
    setting.open(subject)
    observed = Observations()
    for number, k in enumerate((7, 0, 7, 0)):
        subject.load(tapes.group(f"states/{k}", setting.tape))
        observed |= observe_step(subject, tapes.batches(setting.tape), f"{number}")
    return observed


@experiment()
def legs(subject: Subject, setting: Setting) -> Observations:
    """Look at the model after odd and even numbers of steps; it must hold the run's weights."""
    setting.open(subject)
    subject.load(setting.initial_state())
    observed, done = Observations(), 0
    looked = _look(subject, setting)
    for steps in _LEGS:
        subject.run(tapes.batches(setting.tape), steps)
        done += steps
        found = model_differences(subject, subject.state())
        observed |= {f"{name} after {done}": array for name, array in found.items()}
        observed[f"in_place/image_shape after {done}"] = np.array(subject.look("image_shape"))
        before, looked = looked, _look(subject, setting)
        subject.load(subject.state())
        again = _look(subject, setting)
        stale = [name for name, array in looked.items() if np.array_equal(array, before[name])]
        late = [name for name, array in looked.items() if not np.allclose(array, again[name], _SAME, _SAME)]
        observed |= {
            f"in_place/outputs that did not follow after {done}": sorted_names(stale),
            f"in_place/outputs that a load changed after {done}": sorted_names(late),
        }
    return observed


def _look(subject: Subject, setting: Setting) -> Arrays:
    """Return outputs of the run's model; for style networks those that compile quickly."""
    looked = {"map": subject.look("map", setting.tape["z/generator"])}
    if setting.fixture.levels:
        return looked | {"truncate": subject.look("truncate", setting.tape["w"])}
    return looked | {
        "generate": subject.look("generate", setting.tape["w"]),
        "encode": subject.look("encode", setting.tape["images"][0]),
    }


@experiment(rounding="kinks")
def twice(subject: Subject, setting: Setting) -> Observations:
    """Take three steps on a batch that was put once."""
    setting.open(subject)
    subject.load(setting.initial_state())
    before = subject.state()
    losses = subject.train(tapes.batches(setting.tape), 3, same=True)
    trajectory = {f"trajectory/{update}": array for update, array in losses.items()}
    return trajectory | drop_check("moments", movements("twice", before, subject.state()))


@experiment()
def kept(subject: Subject, setting: Setting) -> Observations:
    """Take steps on a batch that was put once, while a level fades in, and on copies of it: equal losses."""
    setting.open(subject)
    batches, first = tapes.batches(setting.tape), setting.fixture.grown[0]
    number, runs = np.full(tapes.BATCHES, first % tapes.BATCHES), []
    images, labels = batches.images[number], None if batches.labels is None else batches.labels[number]
    for same in (True, False):
        subject.load(setting.initial_state() | {"step": np.array(first)})
        runs.append(subject.train(replace(batches, images=images, labels=labels), 3, same=same))
    once, apart = runs
    return {f"drawn/{update}": once[update] / apart[update] for update in once}


@experiment(rounding="kinks")
def two_runs(subject: Subject, setting: Setting) -> Observations:
    """Take steps in two runs in turn, from two states; the means of the second are multiplied."""
    data, observed = config_of(setting.fixture, setting.lane).data(), Observations()
    runs = dict(zip(tapes.STATES, _FACTORS, strict=True))
    for k, factor in runs.items():
        subject.open(data, reduction=factor)
        subject.load(tapes.group(f"states/{k}", setting.tape))
    for number in range(_TURNS):
        for k, factor in runs.items():
            subject.open(data, reduction=factor)
            observed |= observe_step(subject, tapes.batches(setting.tape), f"{number} from {k}")
    return observed


# Adam's first step at a level multiplies the rounding of a gradient that is zero by the rate over ε.
@experiment(rounding="compounds")
def paces(subject: Subject, setting: Setting) -> Observations:
    """Take steps far apart in a long schedule: the first of each level, one amid its fade, and its last.

    The last level comes first, so that the first step of a run that has just loaded a state restarts Adam.
    """
    setting.open(subject)
    config = config_of(setting.fixture, setting.lane)
    state, observed, end = tapes.group("states/7", setting.tape), Observations(), 0
    levels = []
    for number, level in enumerate(config.growth.levels if config.growth else ()):
        steps = -(-level.images // (level.batch_size or config.batch_size))
        first, end = end, end + steps
        levels.append((number, (first, first + int(level.fade * steps / 3), end - 1)))
    for number, chosen in reversed(levels):
        for step in chosen:
            subject.load(state | {"step": np.array(step)})
            moved = observe_step(subject, tapes.batches(setting.tape), f"{number} at {step}")
            # Displacements and counts show moments that should have restarted.
            observed |= drop_check("moments", moved)
    return observed
