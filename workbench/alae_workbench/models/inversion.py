"""Inversion: finding the w from which G draws an image, by gradient steps that start at E(x) or at the mean of w."""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from keras import ops

from alae_core import Alae, AlaeError, ArgumentError, View
from alae_core.framework import framework_in_use
from alae_core.groups import Adam
from alae_core.inference import BatchedFunction
from alae_core.optimizer import adam_step
from alae_core.streams import sample_noise
from alae_workbench.models.mixing import map_samples

#: where the search starts
Start = Literal["encoder", "mean"]
#: default weight of E's features in the loss
FEATURES = 0.3
# Number of w = F(z) used to estimate the mean and deviation of w, and of samples for the variance of features.
_LATENTS, _SAMPLES = 4096, 64


@dataclass(frozen=True)
class Inversion:
    """The result of a search.

    Attributes:
        w: w (count, w), or styles (count, 2L, w).
        images: G(w), (count, H, W, C).
        errors: (step, seconds since the start, mean (x − G(w))² over all images), for every `report_every`-th step.
    """

    w: np.ndarray
    images: np.ndarray
    errors: list[tuple[int, float, float]]


def invert(alae: Alae, x: np.ndarray, **options: Any) -> Inversion:
    """Find w for images: see `invert_in_batches`, which takes the same options."""
    return next(invert_in_batches(alae, [x], **options))


def invert_in_batches(
    alae: Alae,
    batches: Iterable[np.ndarray],
    *,
    start: Start = "encoder",
    steps: int = 200,
    learning_rate: float = 0.05,
    layers: bool = False,
    features: float = FEATURES,
    view: View | None = None,
    report_every: int = 10,
    tell: Callable[[int], None] = lambda more: None,
) -> Iterator[Inversion]:
    """Find w for images by Adam on w, a batch at a time; the networks stay unchanged, and the images do not affect each
    other.

    The loss is the mean of (x − G(w))² over pixels, plus `features` times the mean of (h(x) − h(G(w)))², where h is the
    widest hidden layer of E, relative to the variance of h between samples. Each image keeps the w of its lowest loss.

    Args:
        alae: a model of which G and E take no labels.
        batches: images (count, H, W, C) of the view's size, floats.
        start: E(x), or the mean of w.
        steps: gradient steps; 0 returns the start.
        learning_rate: the initial one, in standard deviations of w; it falls to 0 along a cosine.
        layers: search a style for each layer instead of one w, for a style model.
        features: weight of E's features.
        view: the level of detail; by default the model's own. Noise is fixed.
        report_every: steps between two entries of `Inversion.errors`.
        tell: called after each step of each batch with the number of new steps, 1.

    Raises:
        AlaeError: G and E take labels, or the model lacks E or G, or no backend is loaded.
        ArgumentError: `learning_rate` is not positive.
    """
    if classes := alae.config.classes_of("G"):
        raise AlaeError(f"inversion needs a model without labels, but this model has {classes} classes")
    if not 0 < learning_rate < math.inf:
        raise ArgumentError("learning_rate", f"is {learning_rate:g}; it must be positive")
    view = view or alae.view
    latents = map_samples(alae, _LATENTS, seed=1)
    spread = np.maximum(latents.std(axis=0), 1e-6)
    variance = alae.hidden(alae.generate(latents[:_SAMPLES], view), view).var(axis=0).mean()
    compute_loss = _compile_loss(alae, view, features / max(float(variance), 1e-12))
    for x in batches:
        w = alae.w_of(x, view) if start == "encoder" else np.tile(latents.mean(axis=0), (len(x), 1))
        if layers and view is not None:
            w = np.repeat(w[:, None], 2 * (view.lod + 1), axis=1)
        target = alae.hidden(x, view)
        compute_loss(w, x, target)
        # The first call compiles, which the reported seconds exclude.
        began = time.monotonic()
        m, v = np.zeros_like(w), np.zeros_like(w)
        best, lowest, errors = w.copy(), np.full(len(x), np.inf), []
        for step in range(steps + 1):
            loss, gradient = compute_loss(w, x, target)
            better = loss < lowest
            best[better], lowest[better] = w[better], loss[better]
            if step % report_every == 0 or step == steps:
                error = np.square(alae.generate(w, view) - x).mean()
                errors.append((step, time.monotonic() - began, float(error)))
            if step == steps:
                break
            rate = learning_rate * 0.5 * (1 + np.cos(np.pi * step / steps))
            adam = Adam(learning_rate=rate, warmup=0.0, beta1=0.9, beta2=0.999, epsilon=1e-8)
            # In standard deviations of w, starting from 0: the first result is the change.
            change, m, v = _adam_step(adam, gradient * spread, m, v, step + 1)
            w = w + spread * change
            tell(1)
        yield Inversion(best, alae.generate(best, view), errors)


def _compile_loss(
    alae: Alae, view: View | None, weight: float
) -> Callable[[np.ndarray, np.ndarray, np.ndarray], list[np.ndarray]]:
    """Compile a function of w, images x and their features h(x) to each image's loss, and its gradient by w.

    The loss is the mean of (x − G(w))², plus `weight` times the mean of (h(x) − h(G(w)))².
    """
    framework = framework_in_use()
    if framework is None:
        raise AlaeError("inversion needs gradients; call load_backend first")
    family = alae.family
    at: dict[str, Any] = {} if view is None else {"lod": view.lod, "blend": view.blend}
    noise = None if view is None else sample_noise(view.lod, 1, seed=0)
    maps = noise and [ops.convert_to_tensor(np.asarray(array, alae.config.dtype)) for array in noise]

    def compute(weights: Mapping[str, Any], w: Any, x: Any, target: Any) -> Any:
        def losses(w: Any) -> Any:
            image = family.generate(w, noise=maps, **at)
            return _mean(ops.square(image - x)) + weight * _mean(ops.square(family.hidden(image, **at) - target))

        with family.use_weights(weights):
            return list(framework.input_gradient(losses, w))

    batched = BatchedFunction(compute, alae.batch_size(view))
    weights = {f"weights/{name}": ops.stop_gradient(variable.value) for name, variable in alae.variables.items()}
    return lambda *arrays: batched(weights, *(np.asarray(array, alae.config.dtype) for array in arrays))


def _mean(tensor: Any) -> Any:
    """Return the mean over all axes but the first."""
    axes = tuple(range(1, len(tensor.shape)))
    return ops.sum(tensor, axis=axes) / float(np.prod(tensor.shape[1:]))


def _adam_step(adam: Adam, gradient: np.ndarray, m: np.ndarray, v: np.ndarray, t: int) -> list[np.ndarray]:
    """Call `alae_core.optimizer.adam_step` on NumPy arrays from the value 0; return the change, m and v."""
    tensors = [ops.convert_to_tensor(np.asarray(array, gradient.dtype)) for array in (gradient, m, v, t)]
    return [ops.convert_to_numpy(tensor) for tensor in adam_step(adam, ops.zeros_like(tensors[0]), *tensors)]
