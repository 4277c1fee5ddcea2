"""Every limit of the suite, in one table. A backend chooses lanes; it cannot loosen one.

A tensor passes where ‖found − expected‖ ≤ relative · ‖expected‖ + floor · scale + UNDERFLOW. Norms are Euclidean over
the whole tensor: single elements may cancel to anything, and a limit that grew with the size would let whole factors
pass. The scale is what the tensor was computed from: 1 per element for outputs and losses, the norm of all gradients of
an update for each of them, the norm of the weights for how far they moved.

`noise` is the largest share of a limit that a sound backend used up in runs with fresh numbers (docs/conformance.md
says how it was measured). A row may change only with a new measurement of that kind.
"""

from math import log
from typing import Literal, NamedTuple

from alae_core.config import Precision

#: the precision that a configuration asks for
Lane = Precision
LANES: tuple[Lane, ...] = ("float32", "float64", "bfloat16")
ToleranceClass = Literal["exact", "value", "gradient", "step", "run", "statistics"]


class Tolerance(NamedTuple):
    """One row of the table."""

    relative: float
    floor: float
    whole: bool  # one norm over all tensors of an update, instead of one for each
    noise: float  # measured: the largest error / limit
    why: str


TOLERANCES: dict[tuple[ToleranceClass, Lane], Tolerance] = {
    ("value", "float32"): Tolerance(2e-5, 2e-6, False, 0.27, "some ten roundings of 6e-8 in sums of up to 60 terms"),
    ("value", "float64"): Tolerance(1e-12, 1e-13, False, 0.007, "a cut-off softplus is 1e-10 away, a float32 one 1e-8"),
    ("value", "bfloat16"): Tolerance(1e-1, 1e-2, False, 0.24, "8 bits through up to four networks"),
    ("gradient", "float32"): Tolerance(2e-4, 2e-6, False, 0.52, "R1's second derivative multiplies the noise by ten"),
    ("gradient", "float64"): Tolerance(1e-11, 1e-13, False, 0.009, "as for values"),
    ("gradient", "bfloat16"): Tolerance(3e-1, 0.0, True, 0.16, "one direction: a cosine of 0.95 at least"),
    ("step", "float32"): Tolerance(2e-4, 2.4e-7, False, 0.23, "1 − β2ᵗ cancels; weights round to 2⁻²⁴ of themselves"),
    ("step", "float64"): Tolerance(1e-9, 4.5e-16, False, 0.045, "as for gradients"),
    ("step", "bfloat16"): Tolerance(
        3e-1, 0.0, True, 0.35, "as for gradients; what is stored has every digit of float32"
    ),
    ("run", "float32"): Tolerance(5e-4, 2.4e-6, False, 0.52, "20 steps; no tape has a leaky ReLU near its kink"),
    ("run", "float64"): Tolerance(1e-8, 4.5e-15, False, 0.0013, "as for steps"),
}

#: where float32, whose smallest number of full precision is 1e-38, may have lost digits on the way: where logits are
#: beyond 80, all of a gradient can be as small
UNDERFLOW = 1e-36

#: how many standard deviations a statistic of noise may be from its mean: 2e-9 of sound devices' are further
NOISE_DEVIATIONS = 6.0

#: the reciprocity error R = mean ‖F(z) − E(G(F(z)))‖² / var F(z) after 400 steps, over the one at the start, for all
#: but one of the runs; F alone can shrink the numerator, hence the variance. The reference reaches 0.19, and 1.16
#: without the reciprocity update: that R falls would prove nothing, that it falls so far does
RECIPROCITY_RATIO = 0.40
RECIPROCITY_EXCEPTIONS = 1
#: by step: how far the mean of log R may be from the reference's, with 90 % confidence on either side, paired by run.
#: Sound backends have a standard deviation of 0.0002 after 100 steps and 0.07 after 400, and use up a quarter of it
RECIPROCITY_EQUIVALENCE = {100: log(1.05), 400: log(1.25)}
