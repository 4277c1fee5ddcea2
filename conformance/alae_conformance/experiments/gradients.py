"""L2: gradients of every update."""

from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from alae_conformance import tape as tapes
from alae_conformance.comparison import Observations
from alae_conformance.experiments.experiment import experiment
from alae_conformance.experiments.setting import Setting
from alae_conformance.experiments.states import differing_names
from alae_conformance.fixture import config_of
from alae_conformance.subjects import Inputs, Subject, with_noise
from alae_conformance.subjects.reference import ReferenceSubject
from alae_core.view import View

#: a step at which the γ of a row's schedule has changed
_AMID = 5
#: batches over which gradients are averaged, and the first step of their random numbers
_BATCHES, _FIRST = 24, 1000


@experiment(rounding="kinks", trains=False)
def gradients(subject: Subject, setting: Setting) -> Observations:
    """Compute every gradient of every update; computing must leave the state unchanged."""
    setting.open(subject)
    subject.load(setting.initial_state())
    before, observed = subject.state(), Observations()
    for where, inputs in tapes.views(setting.fixture, setting.tape).items():
        observed |= _gradients(subject, inputs, where)
        subject.losses(inputs)
        if not setting.fixture.levels:
            # Outputs of style networks take long to compile; other cases judge that they change nothing.
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
    """Compute outputs, losses and gradients in one configuration of the covering array, at a step amid its schedule.

    The state of the new run is compared too, rounded to float32, in which weights are drawn.
    """
    subject.open(config_of(setting.fixture, setting.lane).data(), anew=True)
    observed = {
        f"exact/initial {name}": array.astype(np.float32) if array.dtype.kind == "f" else array
        for name, array in subject.state().items()
    }
    subject.load(setting.initial_state() | {"step": np.array(_AMID)})
    for where, inputs in tapes.views(setting.fixture, setting.tape).items():
        observed |= {f"forward/{name}{where}": array for name, array in subject.forward(inputs).items()}
        observed |= {f"losses/{update}{where}": np.asarray(loss) for update, loss in subject.losses(inputs).items()}
        observed |= _gradients(subject, inputs, where)
    return observed


@experiment(rounding="averages", trains=False)
def averaged(subject: Subject, setting: Setting) -> Observations:
    """Average losses and gradients over batches, so that rounding to few digits and over kinks averages out too."""
    setting.open(subject)
    subject.load(setting.initial_state())
    total: defaultdict[str, np.ndarray] = defaultdict(lambda: np.zeros(()))
    for inputs in _many_inputs(setting):
        for update, loss in subject.losses(inputs).items():
            total[f"losses/{update}"] = total[f"losses/{update}"] + loss
        for name, gradient in _gradients(subject, inputs).items():
            total[name] = total[name] + gradient
    return {name: np.asarray(array, np.float64) / _BATCHES for name, array in total.items()}


def _many_inputs(setting: Setting) -> Iterator[Inputs]:
    """Yield batches in the first view: the images of a tape, moved by some rows, with the random numbers of a step."""
    reference = ReferenceSubject()
    setting.open(reference)
    images, levels = setting.tape["images"], setting.fixture.levels
    count, view = len(images[0]), View(*levels[0]) if levels else None
    for number in range(_BATCHES):
        step, moved = _FIRST + number, np.roll(images[number % len(images)], number, axis=1)
        draws = {update: reference.draw_update(update, step, count) for update in reference.reference.trains()}
        if view is not None:
            draws = with_noise(draws, step, view.lod, count)
            moved = moved[:, : view.size, : view.size]
        yield Inputs(moved, None, setting.tape["w"], draws, view)
