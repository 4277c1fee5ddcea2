"""The mathematics of ALAE's losses on tensors of any framework; each loss is a scalar."""

from functools import partial
from math import prod
from typing import Any

from keras import ops

from alae_core._support.lazy import load_object
from alae_core.config import Config
from alae_core.lookup import find_objective
from alae_core.objectives import Objective, Term

Tensor = Any


def objective_of(config: Config) -> Objective:
    """Return the configuration's objective with its terms imported, each a function of logits alone."""
    objective = find_objective(config.objective, config.plugins)
    settings = {} if objective.settings is None else {"settings": config.objective_settings}

    def load(term: Term) -> Any:
        return term and partial(load_object(term), **settings)

    return Objective(load(objective.real), load(objective.fake), load(objective.generator))


def logistic_real(t: Tensor) -> Tensor:
    """−f(t) = log(1 + exp(−t))."""
    # Not Keras' softplus: on PyTorch it is linear above 20, an error of 2e-9.
    return -ops.log_sigmoid(t)


def logistic_fake(t: Tensor) -> Tensor:
    """−f(−t) = log(1 + exp(t))."""
    return -ops.log_sigmoid(-t)


def hinge_real(t: Tensor) -> Tensor:
    """−f(t) = max(0, 1 − t)."""
    return ops.relu(1 - t)


def hinge_fake(t: Tensor) -> Tensor:
    """−f(−t) = max(0, 1 + t)."""
    return ops.relu(1 + t)


def discriminator_loss(objective: Objective, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """Return the mean over the batch of the objective's real and fake terms; logits have shape (batch,)."""
    if objective.fake is None:
        return _mean(objective.real(real_logits - fake_logits))
    return _mean(objective.real(real_logits)) + _mean(objective.fake(fake_logits))


def generator_loss(objective: Objective, fake_logits: Tensor, real_logits: Tensor | None) -> Tensor:
    """Return the mean over the batch of the objective's generator term; logits have shape (batch,).

    Only an objective of pairs uses `real_logits`.
    """
    return _mean(objective.generator(fake_logits if objective.fake else fake_logits - real_logits))


def gradient_penalty(image_gradient: Tensor, gamma: Tensor | float) -> Tensor:
    """γ/2 · mean over images of ‖∇ₓD(E(x))‖²: R1 on real images, R2 on generated ones.

    Mescheder et al. 2018, equation 9. `image_gradient`, shape (batch, H, W, C), is the gradient with respect to the
    *images*, not the parameters; its square is summed over pixels and channels.
    """
    return gamma / 2 * squared_distance(image_gradient, 0.0, mean=False)


def squared_distance(target: Tensor, estimate: Tensor, *, mean: bool) -> Tensor:
    """‖target − estimate‖², averaged over the batch; over other axes summed, or if `mean` averaged."""
    square = ops.square(target - estimate)
    return _mean(square) if mean else ops.sum(square) / square.shape[0]


def divergence_from_prior(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mean, exp(log_variance)) ‖ N(0, I)) of diagonal Gaussians (batch, w): summed over w, batch mean.

    ½ Σ (μ² + σ² − log σ² − 1): Kingma and Welling 2014, appendix B.
    """
    terms = ops.square(mean) + ops.exp(log_variance) - log_variance - 1
    return ops.sum(terms) / 2 / mean.shape[0]


def _mean(x: Tensor) -> Tensor:
    # keras.ops.mean computes float64 in float32 on JAX and PyTorch.
    return ops.sum(x) / prod(x.shape)
