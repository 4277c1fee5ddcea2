"""The mathematics of ALAE's losses on tensors of any framework; each loss is a scalar."""

from collections.abc import Callable
from math import prod
from typing import Any, NamedTuple

from keras import ops

Tensor = Any


class Objective(NamedTuple):
    """An adversarial objective: per-sample terms as functions of the logits D(E(·)), shape (batch,).

    The paper writes them with one f (equation 5): the discriminator maximises f(D(real)) + f(−D(fake)) and the
    generator f(D(fake)), so each term here has the form −f(±logit); the hinge has a separate f for the generator.

    If `fake` is None, the objective is one of pairs: `real` is a function of D(real) − D(fake) and `generator` of
    D(fake) − D(real), where the i-th real image is paired with the i-th generated one.
    """

    real: Callable[[Tensor], Tensor]
    fake: Callable[[Tensor], Tensor] | None
    generator: Callable[[Tensor], Tensor]


OBJECTIVES = {
    # f(t) = −log(1 + exp(−t)), the non-saturating logistic GAN (Goodfellow et al. 2014). Not Keras' softplus: on
    # PyTorch it is linear above 20, an error of 2e-9.
    "logistic": Objective(
        real=lambda t: -ops.log_sigmoid(t), fake=lambda t: -ops.log_sigmoid(-t), generator=lambda t: -ops.log_sigmoid(t)
    ),
    # f(t) = t (Arjovsky et al. 2017)
    "wasserstein": Objective(real=lambda t: -t, fake=lambda t: t, generator=lambda t: -t),
    # f(t) = min(0, t − 1) for the discriminator, f(t) = t for the generator (Lim and Ye 2017)
    "hinge": Objective(real=lambda t: ops.relu(1 - t), fake=lambda t: ops.relu(1 + t), generator=lambda t: -t),
    # the logistic f of pairs (Jolicoeur-Martineau 2019; Huang et al. 2024)
    "relativistic": Objective(real=lambda t: -ops.log_sigmoid(t), fake=None, generator=lambda t: -ops.log_sigmoid(t)),
}


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
