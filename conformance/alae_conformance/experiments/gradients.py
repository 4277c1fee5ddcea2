"""L2: gradients of every update."""

import numpy as np

from alae_conformance import tape as tapes
from alae_conformance.comparison import Observations
from alae_conformance.experiments.experiment import experiment
from alae_conformance.experiments.setting import Setting
from alae_conformance.experiments.states import differing_names
from alae_conformance.subjects import Inputs, Subject


@experiment(rounding="kinks", trains=False)
def gradients(subject: Subject, setting: Setting) -> Observations:
    """Compute every gradient of every update; computing must leave the state unchanged."""
    setting.open(subject)
    subject.load(setting.initial_state())
    before, observed = subject.state(), Observations()
    for where, inputs in tapes.views(setting.fixture, setting.tape).items():
        observed |= _gradients(subject, inputs, where)
        subject.losses(inputs)
        subject.forward(inputs)
    return observed | {"still/state": differing_names(subject.state(), before)}


@experiment(rounding="kinks")
def reloaded(subject: Subject, setting: Setting) -> Observations:
    """Compute outputs, losses and gradients, then again after other weights were loaded; observe the second."""
    setting.open(subject)
    inputs, observed = tapes.inputs(setting.tape), Observations()
    for state in (setting.initial_state(), tapes.group("states/7", setting.tape)):
        subject.load(state)
        observed = {f"forward/{name}": array for name, array in subject.forward(inputs).items()}
        observed |= {f"losses/{update}": np.asarray(loss) for update, loss in subject.losses(inputs).items()}
        observed |= _gradients(subject, inputs)
    return observed


def _gradients(subject: Subject, inputs: Inputs, where: str = "") -> Observations:
    return {
        f"gradients/{update}{where}/{name}": array
        for update in inputs.draws
        for name, array in subject.gradients(update, inputs).items()
    }


@experiment(rounding="kinks", trains=False)
def combined(subject: Subject, setting: Setting) -> Observations:
    """Compute outputs, losses and gradients in one configuration of the covering array."""
    setting.open(subject)
    subject.load(setting.initial_state())
    observed = Observations()
    for where, inputs in tapes.views(setting.fixture, setting.tape).items():
        observed |= {f"forward/{name}{where}": array for name, array in subject.forward(inputs).items()}
        observed |= {f"losses/{update}{where}": np.asarray(loss) for update, loss in subject.losses(inputs).items()}
        observed |= _gradients(subject, inputs, where)
    return observed
