"""Inversion: the w that G draws an image from, found by gradient steps, from E's answer or from the mean of w."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from keras import ops

from alae_core import Alae, AlaeError, View
from alae_core.framework import framework_in_use
from alae_core.inference import BatchedFunction
from alae_core.streams import sample_noise

#: where the search begins
Start = Literal["encoder", "mean"]
#: what E's features count beside pixels, both as shares of what they vary
FEATURES = 0.3
# z that the mean and the deviation of w are taken from.
_DRAWN = 4096
# Samples that the features' variance is taken from.
_SHOWN = 64
_BETA1, _BETA2, _EPSILON = 0.9, 0.999, 1e-8


@dataclass(frozen=True)
class Inversion:
    """What a search came to.

    Attributes:
        w: (count, w), or a style for each layer, (count, 2L, w).
        images: G(w), (count, H, W, C).
        errors: for each step that was looked at (step, seconds, mean (x − G(w))² over all images).
    """

    w: np.ndarray
    images: np.ndarray
    errors: list[tuple[int, float, float]]


def invert(
    alae: Alae,
    x: np.ndarray,
    *,
    start: Start = "encoder",
    steps: int = 200,
    learning_rate: float = 0.05,
    layers: bool = False,
    features: float = FEATURES,
    view: View | None = None,
    every: int = 10,
    tell: Callable[[int], None] = lambda more: None,
) -> Inversion:
    """Improve w by Adam on pixels and on E's hidden features, each image by itself; the network stays as it is.

    The loss is mean (x − G(w))² over pixels plus `features` times mean (h(x) − h(G(w)))² over the widest hidden layer h
    of E, over the features' variance between samples. Each image keeps the w of its lowest loss.

    Args:
        alae: the model; without labels.
        x: images (count, H, W, C) of the view's size, as floats.
        start: E(x), or the mean of w.
        steps: gradient steps; 0 is the start itself.
        learning_rate: of Adam, in standard deviations of w; it falls to 0 as a cosine.
        layers: style models: a style for each layer, not one w.
        features: what E's features count.
        view: where the model is looked at; noise is fixed.
        every: how many steps lie between two looks at the error.
        tell: is told how many more steps are done.

    Raises AlaeError for a model with labels, or without E or G.
    """
    if alae.config.labels:
        raise AlaeError(f"inversion is for models without labels, but this one has {alae.config.labels} classes")
    view = view or alae.view
    drawn = alae.map(alae.sample_prior(_DRAWN, seed=1))
    spread = np.maximum(drawn.std(axis=0), 1e-6)
    w = alae.w_of(x, view) if start == "encoder" else np.tile(drawn.mean(axis=0), (len(x), 1))
    if layers and view is not None:
        w = np.repeat(w[:, None], 2 * (view.lod + 1), axis=1)
    wanted = alae.hidden(x, view)
    varying = alae.hidden(alae.generate(drawn[:_SHOWN], view), view).var(axis=0)
    weight = features / max(float(varying.mean()), 1e-12)
    step = _gradient(alae, view, weight)
    step(w, x, wanted)
    # Compiling is done once for a model; the seconds are the search's.
    began = time.monotonic()
    moments = np.zeros_like(w), np.zeros_like(w)
    best, lowest, errors = w.copy(), np.full(len(x), np.inf), []
    for number in range(steps + 1):
        loss, gradient = step(w, x, wanted)
        better = loss < lowest
        best[better], lowest[better] = w[better], loss[better]
        if number % every == 0 or number == steps:
            error = np.square(alae.generate(w, view) - x).mean()
            errors.append((number, time.monotonic() - began, float(error)))
        if number == steps:
            break
        rate = learning_rate * 0.5 * (1 + np.cos(np.pi * number / steps))
        w = w - rate * spread * _adam(gradient * spread, moments, number + 1)
        tell(1)
    return Inversion(best, alae.generate(best, view), errors)


def _gradient(
    alae: Alae, view: View | None, weight: float
) -> Callable[[np.ndarray, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Of w, images and their features: each image's loss, and its gradient by w."""
    framework = framework_in_use()
    if framework is None:
        raise AlaeError("inversion needs gradients: call load_backend before")
    family = alae.family
    at: dict[str, Any] = {} if view is None else {"lod": view.lod, "blend": view.blend}
    noise = None if view is None else sample_noise(view.lod, 1, seed=0)
    maps = noise and [ops.convert_to_tensor(np.asarray(each, alae.config.dtype)) for each in noise]

    def both(weights: Mapping[str, Any], w: Any, x: Any, wanted: Any) -> Any:
        def losses(w: Any) -> Any:
            made = family.generate(w, noise=maps, **at)
            return _mean(ops.square(made - x)) + weight * _mean(ops.square(family.hidden(made, **at) - wanted))

        with family.use_weights(weights):
            return list(framework.input_gradient(losses, w))

    batched = BatchedFunction(both, alae.batch_size(view))
    weights = {f"weights/{name}": ops.stop_gradient(variable.value) for name, variable in alae.variables.items()}

    def call(w: np.ndarray, x: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        loss, gradient = batched(weights, *(np.asarray(each, alae.config.dtype) for each in (w, x, wanted)))
        return loss, gradient

    return call


def _mean(tensor: Any) -> Any:
    axes = tuple(range(1, len(tensor.shape)))
    return ops.sum(tensor, axis=axes) / float(np.prod(tensor.shape[1:]))


def _adam(gradient: np.ndarray, moments: tuple[np.ndarray, np.ndarray], t: int) -> np.ndarray:
    m, v = moments
    m += (1 - _BETA1) * (gradient - m)
    v += (1 - _BETA2) * (np.square(gradient) - v)
    return m / (1 - _BETA1**t) / (np.sqrt(v / (1 - _BETA2**t)) + _EPSILON)
