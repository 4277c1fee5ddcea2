"""The arithmetic of Adam and of averaged weights, which a backend may replace by a fused kernel."""

from typing import Any

from keras import ops

from alae_core.groups import Adam

Tensor = Any


def adam_step(
    adam: Adam, value: Tensor, gradient: Tensor, m: Tensor, v: Tensor, t: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Do an Adam step as in Kingma and Ba 2015, reordered (before section 2.1): ε is added to the uncorrected √v.

    Args:
        adam: learning rate and its warm-up, β1, β2, ε.
        value, gradient, m, v: tensors of one shape and dtype. The gradient is with respect to the weight as it is used:
            if an equalized learning rate multiplies the weight by a constant (`Alae.scales`), it is the gradient of the
            loss divided by that constant. So ε has the same effect as in the authors' code.
        t: the number of steps of this network with these moments, including this one; a scalar of that dtype.

    Returns:
        The new value, m and v.
    """
    m = adam.beta1 * m + (1 - adam.beta1) * gradient
    v = adam.beta2 * v + (1 - adam.beta2) * ops.square(gradient)
    rate = adam.learning_rate * (1 - adam.warmup**t) * ops.sqrt(1 - adam.beta2**t) / (1 - adam.beta1**t)
    return value - rate * m / (ops.sqrt(v) + adam.epsilon), m, v


def average_step(decay: float, average: Tensor, value: Tensor) -> Tensor:
    """Return the running average after a new `value` of a weight, or of the batch mean of w."""
    return average + (1 - decay) * (value - average)
