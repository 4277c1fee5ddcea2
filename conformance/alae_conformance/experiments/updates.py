"""L3: updates one at a time, and single steps as training takes them."""

from dataclasses import replace

from alae_conformance import tape as tapes
from alae_conformance.comparison import Observations
from alae_conformance.experiments.experiment import experiment
from alae_conformance.experiments.setting import Setting
from alae_conformance.experiments.states import drop_check, movements, observe_step
from alae_conformance.fixture import config_of
from alae_conformance.subjects import Subject
from alae_core.images import to_uint8

#: number of steps that draw their own random numbers
_DRAWN = 2
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
    """Run one update alone; averages, the mean of w and counts must move as in a whole step."""
    setting.open(subject)
    subject.load(tapes.group("states/7", setting.tape))
    before = subject.state()
    subject.run(tapes.batches(setting.tape), 1, only="generator")
    moved = movements("generator", before, subject.state())
    return {key: array for key, array in moved.items() if key.startswith(("averages", "w_mean", "counts"))}


@experiment(rounding="kinks")
def fed(subject: Subject, setting: Setting) -> Observations:
    """Take steps as training does, on batches of uint8 images that were all put before the first step."""
    setting.open(subject)
    subject.load(setting.initial_state())
    before, batches = subject.state(), tapes.batches(setting.tape)
    losses = subject.train(replace(batches, images=to_uint8(batches.images)), tapes.BATCHES)
    trajectory = {f"trajectory/{update}": array for update, array in losses.items()}
    return trajectory | drop_check("moments", movements("fed", before, subject.state()))


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
    subject.open(config_of(setting.fixture, setting.lane).data(), reduction=_REDUCTION)
    observed = Observations()
    for k in tapes.STATES:
        subject.load(tapes.group(f"states/{k}", setting.tape))
        observed |= observe_step(subject, tapes.batches(setting.tape), f"{k}")
    return observed
