"""L1: outputs of the networks and losses."""

import numpy as np

from alae_conformance import tape as tapes
from alae_conformance.comparison import Observations
from alae_conformance.experiments.experiment import experiment
from alae_conformance.experiments.setting import Setting
from alae_conformance.fixture import config_of
from alae_conformance.subjects import Subject

#: number of inputs in one call: more than the 512 of a model's largest batch
_MANY = 520


@experiment(rounding="kinks", trains=False)
def values(subject: Subject, setting: Setting) -> Observations:
    """Compute each network's output, the gradient with respect to images, and every loss."""
    setting.open(subject)
    subject.load(setting.initial_state())
    observed: Observations = {}
    for where, inputs in tapes.views(setting.fixture, setting.tape).items():
        observed |= {f"forward/{name}{where}": array for name, array in subject.forward(inputs).items()}
        if config_of(setting.fixture, setting.lane).algorithm == "alae":
            logits, gradient = subject.input_gradient(inputs)
            observed |= {f"input_gradient/D(E(x)){where}": logits, f"input_gradient/gradient{where}": gradient}
        observed |= {f"losses/{update}{where}": np.asarray(loss) for update, loss in subject.losses(inputs).items()}
    return observed


@experiment(trains=False)
def outputs(subject: Subject, setting: Setting) -> Observations:
    """Compute each network's output, which unlike its gradient does not jump at the kinks of leaky ReLUs."""
    setting.open(subject)
    subject.load(setting.initial_state())
    return {
        f"forward/{name}{where}": array
        for where, inputs in tapes.views(setting.fixture, setting.tape).items()
        for name, array in subject.forward(inputs).items()
    }


@experiment()
def many(subject: Subject, setting: Setting) -> Observations:
    """Compute each network's output for more inputs than fit into one of a model's batches."""
    setting.open(subject)
    subject.load(setting.initial_state())
    outputs = subject.forward(tapes.many_inputs(setting.tape, _MANY))
    return {f"forward/{name} of {_MANY}": array for name, array in outputs.items()}
