"""L2 and L3: the cross product of all that a batch can differ in, in one process, forwards and backwards."""

from collections.abc import Iterator, Mapping
from itertools import product
from typing import NamedTuple

import numpy as np

from alae_conformance import tape as tapes
from alae_conformance.comparison import Observations
from alae_conformance.experiments.experiment import experiment
from alae_conformance.experiments.setting import Setting
from alae_conformance.fixture import config_of
from alae_conformance.subjects import Arrays, Batches, Inputs, Subject
from alae_core.draws import Draws
from alae_core.images import to_uint8
from alae_core.view import View

#: blends of the levels of style networks
_VIEWS = (View(0), View(1, 0.25), View(1, 0.75))
#: the ways to do a step: on a batch that was put, on arrays with random numbers, on arrays alone, and with one update
_WAYS = ("put", "given", "arrays", "only")


class Kind(NamedTuple):
    """A kind of batch.

    Attributes:
        noise: "given", "other" or "drawn", by the device; None for networks without noise.
        optional: whether styles are mixed and images augmented.
    """

    size: int
    view: View | None
    other_labels: bool
    as_bytes: bool
    optional: bool
    noise: str | None

    def __str__(self) -> str:
        words = [f"{self.size} images", *([str(self.view)] if self.view else [])]
        words += (
            ["other labels"] * self.other_labels
            + ["bytes"] * self.as_bytes
            + ["nothing optional"] * (not self.optional)
        )
        return ", ".join([*words, *([f"{self.noise} noise"] if self.noise else [])])


@experiment(trains=False)
def batches_product(subject: Subject, setting: Setting) -> Observations:
    """Compute outputs and gradients of batches of every kind; then again forwards and backwards, in reused arrays."""
    setting.open(subject)
    # At a step of the second level, where the noise that a device draws has maps of that level.
    step = {"step": np.array(setting.fixture.grown[0])} if setting.fixture.grown else {}
    subject.load(setting.initial_state() | step)
    kinds, update = list(kinds_of(setting)), next(iter(tapes.group("z", setting.tape)))
    batches = {kind: batch_of(kind, number, setting) for number, kind in enumerate(kinds)}
    observed, first = Observations(), dict[Kind, Arrays]()
    for kind, inputs in batches.items():
        first[kind] = subject.gradients(update, inputs)
        if kind.noise == "drawn" and kind.view == _VIEWS[0]:
            continue
        if kind.noise == "drawn":
            drawn = subject.gradients(update, _with_own_noise(subject, update, inputs))
            observed[f"drawn/gradients of {kind}"] = np.asarray(1 + _distance(first[kind], drawn))
        else:
            observed[f"gradients/{update} of {kind}"] = _join(first[kind])
            observed[f"forward/{kind}"] = _join(subject.forward(inputs))
    for order, way in ((kinds, "forwards"), (kinds[::-1], "backwards")):
        again = subject.gradients_in_turn(update, [batches[kind] for kind in order])
        for kind, gradients in zip(order, again, strict=True):
            observed[f"again/gradients of {kind}, {way}"] = np.asarray(1 + _distance(gradients, first[kind]))
    return observed


def kinds_of(setting: Setting) -> Iterator[Kind]:
    """Yield every kind of batch that a fixture has."""
    config, whole = config_of(setting.fixture, setting.lane), len(setting.tape["images"][0])
    has_levels = config.growth is not None
    yield from (
        Kind(*values)
        for values in product(
            (whole, 1) if has_levels else (whole, 1, whole - 2),
            _VIEWS if has_levels else (None,),
            (False, True) if config.labels else (False,),
            (False,) if has_levels else (False, True),
            (True, False) if has_levels or config.augment else (False,),
            ("given", "other", "drawn") if has_levels else (None,),
        )
    )


def batch_of(kind: Kind, number: int, setting: Setting) -> Inputs:
    """Return a batch of a kind; the arrays of each number are different."""
    inputs = tapes.inputs(setting.tape, kind.view)
    images, w = (np.roll(array[: kind.size], number, -2) for array in (inputs.images, inputs.w[..., None]))
    labels = inputs.labels
    if labels is not None:
        labels = (labels[::-1] if kind.other_labels else labels)[: kind.size]
    draws = {update: _draws_of(kind, number, drawn) for update, drawn in inputs.draws.items()}
    return Inputs(to_uint8(images) if kind.as_bytes else images, labels, w[..., 0], draws, kind.view)


def _draws_of(kind: Kind, number: int, drawn: Draws) -> Draws:
    z, mix, augment = (None if array is None else array[: kind.size] for array in (drawn.z, drawn.mix, drawn.augment))
    z, mix = (None if array is None else np.roll(array, number, -1) for array in (z, mix))
    # The first map is for all images.
    noise = None if kind.noise == "drawn" or drawn.noise is None else [array[: kind.size] for array in drawn.noise]
    if kind.noise == "other" and noise is not None:
        noise = [array[:, ::-1] for array in noise]
    return Draws(z, mix, drawn.cutoff, noise, augment) if kind.optional else Draws(z, noise=noise)


def _with_own_noise(subject: Subject, update: str, inputs: Inputs) -> Inputs:
    """Return inputs with the noise that the device draws for an update in its next step."""
    maps = subject.noise(int(subject.state()["step"]), len(inputs.images))
    noise = [maps[f"{update}/{layer}"] for layer in range(2 * inputs.view.lod + 2)] if inputs.view else None
    return inputs._replace(draws={**inputs.draws, update: inputs.draws[update]._replace(noise=noise)})


@experiment()
def steps_product(subject: Subject, setting: Setting) -> Observations:
    """Take a step from one state on batches of every kind, in every way; then again backwards."""
    setting.open(subject)
    state, observed = tapes.group("states/7", setting.tape), Observations()
    images, labels = setting.tape["images"], setting.tape["labels"]
    whole, first = len(images[0]), dict[str, Arrays]()
    kinds = {
        f"{count} images{', other labels' * turned}{', bytes' * as_bytes}, {way}": (
            way,
            Batches(to_uint8(images) if as_bytes else images, labels[:, ::-1] if turned else labels, count),
        )
        for count, turned, as_bytes, way in product((whole, 1, whole - 2), (False, True), (False, True), _WAYS)
    }
    for name, (way, batches) in kinds.items():
        moved = _step(subject, state, batches, way, name)
        observed |= moved
        first[name] = moved
    for name, (way, batches) in reversed(kinds.items()):
        again = _step(subject, state, batches, way, name)
        observed[f"again/step on {name}"] = np.asarray(1 + _distance(again, first[name]))
    return observed


def _step(subject: Subject, state: Arrays, batches: Batches, way: str, name: str) -> Observations:
    """Take a step from a state; return its losses, counts, and the displacement of each network."""
    subject.load(state)
    before = subject.state()
    if way in ("put", "given"):
        losses = subject.train(batches, 1, given=way == "given")
    else:
        losses = subject.run(batches, 1, only="generator" if way == "only" else None)
    after = subject.state()
    moved = {key: array - before[key] for key, array in after.items() if key.startswith("weights/")}
    counts = {key: array for key, array in after.items() if array.dtype.kind == "i"}
    return {
        f"losses/{name}": _join(losses),
        f"counts/{name}": _join(counts),
        **{
            f"movement/{network} by {name}": _join(tapes.group(f"weights/{network}", moved))
            for network in sorted({key.split("/")[1] for key in moved})
        },
    }


def _join(arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return all numbers of some arrays, in the order of their names: many small arrays take much space in a file."""
    return np.concatenate([np.ravel(array) for _, array in sorted(arrays.items())])


def _distance(arrays: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray]) -> float:
    """Return the largest distance of an array from the expected one, relative to it."""
    return max(
        float(np.linalg.norm(np.asarray(array, np.float64) - expected[name]) / (np.linalg.norm(expected[name]) or 1))
        for name, array in arrays.items()
    )
