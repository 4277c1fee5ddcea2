"""L3: updates one at a time, and single steps as training takes them."""

from dataclasses import replace

import numpy as np

from alae_conformance import tape as tapes
from alae_conformance.comparison import Observations
from alae_conformance.experiments.experiment import experiment
from alae_conformance.experiments.setting import Setting
from alae_conformance.experiments.states import drop_check, movements, nonfinite_names, observe_step
from alae_conformance.fixture import config_of
from alae_conformance.subjects import Arrays, Batches, Subject
from alae_core.images import to_uint8

#: number of steps that draw their own random numbers
_DRAWN = 2
#: Adam's β1 in a run that starts a level
_BETA1 = 0.4
#: a factor of all means; moments and the mean of w show it, and p where the separation is between a third of its target
#: and the target
_REDUCTION = 3.0


@experiment(rounding="kinks")
def substeps(subject: Subject, setting: Setting) -> Observations:
    """Run each update alone from states of a trajectory; observe which networks moved, how far, and their moments."""
    setting.open(subject)
    observed: Observations = {}
    for k in tapes.STATES:
        state = tapes.group(f"states/{k}", setting.tape)
        for update in tapes.inputs(setting.tape).draws:
            subject.load(state)
            before = subject.state()
            losses = subject.run(tapes.batches(setting.tape), 1, only=update)
            observed |= {f"losses/{k}/{name}": loss for name, loss in losses.items()}
            observed |= drop_check("averages", movements(f"{k}/{update}", before, subject.state()))
    return observed


@experiment(rounding="kinks")
def only(subject: Subject, setting: Setting) -> Observations:
    """Run one update alone, also at the first step of a level, and from averages that are far from the weights.

    All but weights and moments must move as in a whole step; a p that adapts moves in the discriminator's update only.
    First moments must restart at a level too.
    """
    setting.open(subject)
    state, observed = tapes.group("states/7", setting.tape), Observations()
    kinds: tuple[str, ...] = ("averages", "w_mean", "augment_p", "counts")
    flipped = {name: np.flip(array) for name, array in state.items() if name.startswith("averages/")}
    states = {"": state, " from other averages": state | flipped}
    if setting.fixture.grown:
        states[" at a new level"] = state | {"step": np.array(setting.fixture.grown[0])}
    for where, start in states.items():
        observed |= _observe_generator(subject, setting, start, where, kinds)
    if setting.fixture.grown:
        data = config_of(setting.fixture, setting.lane).data()
        subject.open(data | {"adam": data["adam"] | {"beta1": _BETA1}})
        where, kinds = " at a new level with a first moment", ("displacement", "moments", "counts")
        observed |= _observe_generator(subject, setting, states[" at a new level"], where, kinds)
    return observed


def _observe_generator(
    subject: Subject, setting: Setting, state: Arrays, where: str, kinds: tuple[str, ...]
) -> Observations:
    """Run the generator's update from a state, and return some kinds of what it moves."""
    subject.load(state)
    before = subject.state()
    subject.run(tapes.batches(setting.tape), 1, only="generator")
    moved = movements(f"generator{where}", before, subject.state())
    return {key: array for key, array in moved.items() if key.startswith(kinds)}


@experiment(rounding="kinks")
def fed(subject: Subject, setting: Setting) -> Observations:
    """Take steps as training does, on batches of uint8 images that were all put before the first step.

    The step after them gets a whole batch, of which each of several processes selects its part.
    """
    setting.open(subject)
    subject.load(setting.initial_state())
    before, batches = subject.state(), tapes.batches(setting.tape)
    losses = subject.train(replace(batches, images=to_uint8(batches.images)), tapes.BATCHES)
    trajectory = {f"trajectory/{update}": array for update, array in losses.items()}
    moved = drop_check("moments", movements("fed", before, subject.state()))
    last = {f"trajectory/{update} of the next step": array for update, array in subject.run(batches, 1).items()}
    return trajectory | moved | last


@experiment()
def drawn(subject: Subject, setting: Setting) -> Observations:
    """Take steps that draw their own random numbers, and steps given the same ones; observe the ratio of losses."""
    setting.open(subject)
    runs = []
    for given in (False, True):
        subject.load(setting.initial_state())
        runs.append(subject.train(tapes.batches(setting.tape), _DRAWN, given=given))
    own, same = runs
    return {f"drawn/{update}": own[update] / same[update] for update in own}


@experiment(rounding="kinks")
def reduced(subject: Subject, setting: Setting) -> Observations:
    """Take steps with a `reduce` that multiplies means; losses, gradients, the mean of w and p must be affected."""
    microbatch = setting.fixture.microbatch if setting.lane == "microbatch" else None
    subject.open(config_of(setting.fixture, setting.lane).data(), reduction=_REDUCTION, microbatch=microbatch)
    observed, batches = Observations(), tapes.batches(setting.tape)
    for k in tapes.STATES:
        subject.load(tapes.group(f"states/{k}", setting.tape))
        observed |= observe_step(subject, batches, f"{k}")
    subject.load(tapes.group("states/7", setting.tape))
    observed |= observe_step(subject, batches, "one update", only="generator")
    *_, inputs = tapes.views(setting.fixture, setting.tape).values()
    observed |= {f"losses/looked at/{name}": np.asarray(loss) for name, loss in subject.losses(inputs).items()}
    # Compiling gradients and steps of style networks takes long.
    for update in ["generator"] if setting.fixture.levels else inputs.draws:
        for name, gradient in subject.gradients(update, inputs).items():
            observed[f"gradients/{update}/{name}"] = gradient
    if not setting.fixture.levels:
        observed |= observe_step(subject, replace(batches, size=1), "one image")
    return observed


@experiment(rounding="kinks")
def in_passes(subject: Subject, setting: Setting) -> Observations:
    """Take a step in several passes in any precision; a backend that has only one pass takes it in one."""
    subject.open(config_of(setting.fixture, setting.lane).data(), microbatch=setting.fixture.microbatch)
    subject.load(tapes.group("states/7", setting.tape))
    return observe_step(subject, tapes.batches(setting.tape), "passes")


@experiment()
def many_passes(subject: Subject, setting: Setting) -> Observations:
    """Take a step on all images of the tape, in as many passes; and one with a NaN in one pass, which must spread."""
    subject.open(config_of(setting.fixture, setting.lane).data(), microbatch=1)
    state, images = tapes.group("states/7", setting.tape), setting.tape["images"]
    images = images.reshape(1, -1, *images.shape[2:])
    subject.load(state)
    observed = observe_step(subject, Batches(images, size=images.shape[1]), "many passes")
    damaged = np.array(images)
    damaged[0, 1, 0, 0, 0] = np.nan
    subject.load(state)
    with np.errstate(invalid="ignore"):
        subject.run(Batches(damaged, size=images.shape[1]), 1)
    observed["finite/state after NaN in a pass"] = nonfinite_names(subject.state())
    return observed
