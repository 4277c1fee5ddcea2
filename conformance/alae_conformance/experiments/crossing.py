"""L2 and L3: everything that a batch can differ in, crossed, forwards and backwards in one process; p that adapts."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import numpy as np

from alae_conformance import tape as tapes
from alae_conformance.comparison import Observations
from alae_conformance.experiments.experiment import experiment
from alae_conformance.experiments.setting import Setting
from alae_conformance.experiments.states import differing_names, last_kernel, sorted_names
from alae_conformance.fixture import config_of
from alae_conformance.subjects import Arrays, Batches, Inputs, Subject
from alae_conformance.subjects.reference import ReferenceSubject
from alae_core.draws import Draws
from alae_core.images import to_uint8
from alae_core.view import View

#: a p that is not the configured one
_P = 0.3125
#: a factor of images and z, which need not lie in −1 … 1
_LARGE = 2.0**6
#: number of steps in which p adapts
_ADAPTING = 10
#: number of single images that D separates, and the p at which it does
_SINGLE, _PS = 36, (0.05, 0.45, 0.75)
#: how far real images are from generated ones in half of the steps, relative to images of the tape
_NEAR = 0.05


@experiment(trains=False)
def crossing(subject: Subject, setting: Setting) -> Observations:
    """Compute losses and gradients of batches of every kind, then again in the opposite order: nothing may linger."""
    setting.open(subject)
    subject.load(setting.initial_state())
    observed, kinds = Observations(), list(kinds_of_batches(setting))
    for name, inputs, update in kinds:
        observed |= {f"losses/{each} of {name}": np.asarray(loss) for each, loss in subject.losses(inputs).items()}
        for weight, gradient in subject.gradients(update, inputs).items():
            observed[f"gradients/{update} of {name}/{weight}"] = gradient
    for name, inputs, update in reversed(kinds):
        for each, loss in subject.losses(inputs).items():
            observed[f"again/loss of {each} of {name}"] = 1 + np.abs(loss - observed[f"losses/{each} of {name}"])
        for weight, gradient in subject.gradients(update, inputs).items():
            first = observed[f"gradients/{update} of {name}/{weight}"]
            apart = np.linalg.norm(gradient - first) / (np.linalg.norm(first) or 1)
            observed[f"again/gradient of {update} of {name}/{weight}"] = np.asarray(1 + apart)
    return observed


def kinds_of_batches(setting: Setting) -> Iterator[tuple[str, Inputs, str]]:
    """Yield each kind of batch: its name, its inputs, and the update whose gradient is computed."""
    tape, config = setting.tape, config_of(setting.fixture, setting.lane)
    whole = len(tape["images"][0])
    views: list[View | None] = [View(*level) for level in setting.fixture.levels] or [None]
    counts = (whole, 1) if setting.fixture.levels else (whole, 1, whole - 2)
    choices = product(counts, views, (False, True), (False, True), (False, True))
    updates = list(tapes.group("z", tape))
    for number, (count, view, turned, without, as_bytes) in enumerate(choices):
        if (turned and not config.labels) or (as_bytes and view is not None):
            continue
        inputs = tapes.inputs(tape, view)
        draws = {update: _cut(drawn, count, without) for update, drawn in inputs.draws.items()}
        images = inputs.images[:count]
        labels = None if inputs.labels is None else (inputs.labels[::-1] if turned else inputs.labels)[:count]
        if as_bytes:
            images = to_uint8(images)
        words = [f"{count} images", *([str(view)] if view else []), *(["other labels"] if turned else [])]
        words += ["nothing optional"] * without + ["bytes"] * as_bytes
        yield ", ".join(words), Inputs(images, labels, inputs.w[:count], draws, view), updates[number % len(updates)]


def _cut(drawn: Draws, count: int, without: bool) -> Draws:
    """Return the draws of the first images, without mixed styles and augmentation if they are left out."""
    noise = None if drawn.noise is None else [array[:count] for array in drawn.noise]
    z, mix, augment = (None if array is None else array[:count] for array in (drawn.z, drawn.mix, drawn.augment))
    return Draws(z, noise=noise) if without else Draws(z, mix, drawn.cutoff, noise, augment)


@experiment(rounding="kinks", trains=False)
def at_p(subject: Subject, setting: Setting) -> Observations:
    """Compute losses and gradients at a p that has adapted, and losses of large numbers; p must stay unchanged."""
    setting.open(subject)
    subject.load(setting.initial_state() | {"augment_p": np.array(_P)})
    before, inputs = subject.state(), tapes.inputs(setting.tape)
    observed: Observations = {f"losses/{name}": np.asarray(loss) for name, loss in subject.losses(inputs).items()}
    for update in inputs.draws:
        for weight, gradient in subject.gradients(update, inputs).items():
            observed[f"gradients/{update}/{weight}"] = gradient
    draws = {
        update: drawn._replace(z=None if drawn.z is None else drawn.z * _LARGE)
        for update, drawn in inputs.draws.items()
    }
    large = subject.losses(inputs._replace(images=inputs.images * _LARGE, draws=draws))
    observed |= {f"losses/{name} of large numbers": np.asarray(loss) for name, loss in large.items()}
    subject.forward(inputs)
    return observed | {"still/state": differing_names(subject.state(), before)}


@experiment()
def adapting(subject: Subject, setting: Setting) -> Observations:
    """Take steps; in some, D separates images exactly as well as the target, and in the last one it is constant."""
    setting.open(subject)
    subject.load(setting.initial_state())
    observed = Observations()
    for step in range(_ADAPTING):
        before = subject.state()["augment_p"]
        subject.run(tapes.batches(setting.tape), 1)
        moved = subject.state()["augment_p"] - before
        observed[f"direction/{step}"] = _direction(moved)
    state = setting.initial_state() | {"augment_p": np.array(_P)}
    return observed | _observe_constant(subject, state, tapes.batches(setting.tape))


def _observe_constant(subject: Subject, state: Arrays, batches: Batches, only: str | None = None) -> Observations:
    """Take a step with a D whose last kernel is zero: its logits are all equal, so it separates nothing."""
    last = last_kernel(state, "D")
    subject.load(state | {last: np.zeros_like(state[last])})
    subject.run(batches, 1, only)
    return {"direction/of a constant D": _direction(subject.state()["augment_p"] - state["augment_p"])}


def _direction(moved: np.ndarray) -> np.ndarray:
    """Return the sign of a movement of p, which may be off by rounding: −1, 0 or 1."""
    return np.sign(np.round(np.asarray(moved, np.float64), 5)).astype(np.int64)


@experiment(rounding="kinks")
def separating(subject: Subject, setting: Setting) -> Observations:
    """Do the discriminator's update on single images, at several p: p shows on which side of its generated one each is.

    Half of the images are nearly the generated ones, so that any other generated image may change the side. Networks
    with levels do it while a level fades in. In the last update, D is constant.
    """
    setting.open(subject)
    reference = ReferenceSubject()
    setting.open(reference)
    state, batches, observed = tapes.group("states/7", setting.tape), tapes.batches(setting.tape), Observations()
    first, last = setting.fixture.grown or (7, 7 + _SINGLE)
    for number in range(_SINGLE):
        p, step = np.array(_PS[number % len(_PS)]), np.array(first + number % (last - first))
        labels = None if batches.labels is None else np.roll(batches.labels, number, 1)
        shown = Batches(np.roll(batches.images, number, 1), labels, 1)
        for each in (subject, reference):
            each.load(state | {"augment_p": p, "step": step})
        if number % 2:
            shown = replace(shown, images=reference.generated(shown) + _NEAR * shown.images[:, :1])
        losses = subject.run(shown, 1, only="discriminator")
        observed[f"losses/{number}"] = losses["discriminator"]
        moved = subject.state()["augment_p"] - p
        observed[f"direction/{number}"] = _direction(moved)
    # The target is below 0, which a constant D exceeds only if equal logits count as half.
    state |= {"augment_p": np.array(_P), "step": np.array(first)}
    return observed | _observe_constant(subject, state, replace(batches, size=1), only="discriminator")


@experiment(trains=False)
def reused(subject: Subject, setting: Setting) -> Observations:
    """Pass arrays, change them in place, and pass them again; and pass new arrays where old ones were deleted."""
    setting.open(subject)
    subject.load(setting.initial_state())
    *_, inputs = tapes.views(setting.fixture, setting.tape).values()
    return {"still/results of arrays that were changed": sorted_names(subject.stale_results(inputs))}
