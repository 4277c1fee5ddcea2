"""L1: outputs of the networks and losses."""

from dataclasses import replace

import numpy as np

from alae_conformance import tape as tapes
from alae_conformance.comparison import Observations
from alae_conformance.experiments.experiment import experiment
from alae_conformance.experiments.setting import Setting
from alae_conformance.experiments.states import fits_bfloat16, sorted_names
from alae_conformance.fixture import config_of
from alae_conformance.subjects import Arrays, Subject
from alae_conformance.subjects.reference import ReferenceSubject

#: the change of a loss that rounding to the 8 digits of bfloat16 may cause, relative to it
_COARSE = 2.0**-8
#: a factor of inputs which float32 cannot hold
FINE = 1 - 2.0**-30
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
    """Compute each network's output, which unlike its gradient does not jump at the kinks of leaky ReLUs.

    In bfloat16, images and codes must have more digits than bfloat16, since biases are added in float32. So must each
    layer's part of a code: their sum has more digits even if they are rounded.
    """
    setting.open(subject)
    state = setting.initial_state()
    subject.load(state)
    observed, coarse = Observations(), list[str]()
    views = tapes.views(setting.fixture, setting.tape)
    for where, inputs in views.items():
        found = subject.forward(inputs)
        observed |= {f"forward/{name}{where}": array for name, array in found.items()}
        coarse += [f"{name}{where}" for name in "GE" if fits_bfloat16(found[name])]
    *_, inputs = views.values()
    for layer, alone in _with_one_part(state).items():
        subject.load(alone)
        coarse += [f"E of {layer}"] if fits_bfloat16(subject.forward(inputs)["E"]) else []
    return observed | {"digits/outputs that bfloat16 holds": sorted_names(coarse)}


def _with_one_part(state: Arrays) -> dict[str, Arrays]:
    """Return states in which codes of style networks are those of one layer of E, by its name."""
    styles = {name for name in state if name.startswith("weights/E/") and "/style/" in name}
    layers = sorted({name.partition("/style/")[0] for name in styles})
    zeros = {name: np.zeros_like(state[name]) for name in styles}
    return {
        layer: state | {name: array for name, array in zeros.items() if not name.startswith(layer)} for layer in layers
    }


@experiment()
def many(subject: Subject, setting: Setting) -> Observations:
    """Compute each network's output for more inputs than fit into one of a model's batches."""
    setting.open(subject)
    subject.load(setting.initial_state())
    outputs = subject.forward(tapes.many_inputs(setting.tape, _MANY))
    return {f"forward/{name} of {_MANY}": array for name, array in outputs.items()}


@experiment(trains=False)
def constant_outputs(subject: Subject, setting: Setting) -> Observations:
    """Compute losses of networks whose outputs are their last biases: layers round nothing, and losses must not either.

    Other losses in bfloat16 are too coarse to show in which precision they were computed from outputs.
    """
    setting.open(subject)
    state, reference = _without_last_kernels(setting), ReferenceSubject()
    setting.open(reference)
    subject.load(state)
    reference.load(state)
    observed = Observations()
    for where, inputs in tapes.views(setting.fixture, setting.tape).items():
        right = reference.losses(inputs)
        for update, loss in subject.losses(inputs).items():
            observed[f"law/{update}{where}"] = np.asarray(1 + (loss / right[update] - 1) / _COARSE)
    return observed


def _without_last_kernels(setting: Setting) -> Arrays:
    """Return the initial state with zeros for the last kernel of each network."""
    state, is_conv = setting.initial_state(), config_of(setting.fixture, setting.lane).networks.family == "conv"
    for network in {name.split("/")[1] for name in state if name.startswith("weights/")}:
        layers = f"weights/{network}/{'conv' if is_conv and network == 'G' else 'dense'}"
        last = max(name for name in state if name.startswith(layers) and name.endswith("kernel"))
        state[last] = np.zeros_like(state[last])
    return state


@experiment()
def all_digits(subject: Subject, setting: Setting) -> Observations:
    """Compute outputs, losses and gradients, and do a step, on inputs that float32 cannot hold."""
    setting.open(subject)
    subject.load(setting.initial_state())
    *_, inputs = tapes.views(setting.fixture, setting.tape).values()
    draws = {
        update: drawn._replace(
            z=None if drawn.z is None else drawn.z * FINE,
            mix=None if drawn.mix is None else drawn.mix * FINE,
            noise=drawn.noise and [array * FINE for array in drawn.noise],
        )
        for update, drawn in inputs.draws.items()
    }
    fine = inputs._replace(images=inputs.images * FINE, w=inputs.w * FINE, draws=draws)
    observed = {f"forward/{name}": array for name, array in subject.forward(fine).items()}
    observed |= {f"losses/{update}": np.asarray(loss) for update, loss in subject.losses(fine).items()}
    for update in draws:
        for name, array in subject.gradients(update, fine).items():
            observed[f"gradients/{update}/{name}"] = array
    batches = tapes.batches(setting.tape)
    losses = subject.run(replace(batches, images=batches.images * FINE), 1)
    return observed | {f"losses/{update} of a step": loss for update, loss in losses.items()}
