"""All limits of the suite; a backend cannot loosen them.

A tensor passes where ‖found − expected‖ ≤ relative · ‖expected‖ + floor · scale + UNDERFLOW. Norms are Euclidean over
the whole tensor, because single elements may cancel, and a limit that grew with the tensor's size would let constant
factors pass. The scale depends on the kind of tensor: 1 per element for outputs and losses, the norm of
all gradients of an update for each gradient, the norm of a weight for its displacement.

`noise` is the largest share of a limit that a correct backend used in runs with fresh numbers (docs/conformance.md). A
row may change only with a new measurement.
"""

from math import log
from typing import Literal, NamedTuple

from alae_core.config import Precision

#: a precision; or, in float32: microbatch, with each update computed in several passes; devices, on `DEVICES` devices
Lane = Literal["float32", "float64", "bfloat16", "microbatch", "devices"]
LANES: tuple[Lane, ...] = ("float32", "float64", "bfloat16", "microbatch", "devices")
#: number of devices that train together in the lane devices
DEVICES = 2
ToleranceClass = Literal["exact", "value", "gradient", "step", "run", "law", "mean", "statistics"]


class Tolerance(NamedTuple):
    """One row of the table."""

    relative: float
    floor: float
    whole: bool  # one norm over all tensors of an update instead of one each
    noise: float  # the largest error / limit measured
    why: str


TOLERANCES: dict[tuple[ToleranceClass, Lane], Tolerance] = {
    ("value", "float32"): Tolerance(2e-5, 2e-6, False, 0.38, "about ten roundings of 6e-8 in sums of up to 60 terms"),
    ("value", "float64"): Tolerance(
        1e-12, 1e-13, False, 0.007, "a cut-off softplus errs by 1e-10, a float32 one by 1e-8"
    ),
    ("value", "bfloat16"): Tolerance(1e-1, 1e-2, False, 0.24, "8 bits through up to four networks"),
    ("gradient", "float32"): Tolerance(2e-4, 2e-6, False, 0.52, "R1's second derivative multiplies the noise by ten"),
    ("gradient", "float64"): Tolerance(1e-11, 1e-13, False, 0.009, "as for values"),
    ("gradient", "bfloat16"): Tolerance(3e-1, 0.0, True, 0.62, "one direction, with a cosine of at least 0.95"),
    ("step", "float32"): Tolerance(2e-4, 2.4e-7, False, 0.5, "1 − β2ᵗ cancels; weights round to 2⁻²⁴ of themselves"),
    ("step", "float64"): Tolerance(1e-9, 4.5e-16, False, 0.22, "as for gradients"),
    ("step", "bfloat16"): Tolerance(
        3e-1, 0.0, True, 0.76, "as for gradients; stored arrays have all digits of float32"
    ),
    ("run", "float32"): Tolerance(5e-4, 2.4e-6, False, 0.66, "20 steps; on no tape is a leaky ReLU near its kink"),
    ("run", "float64"): Tolerance(1e-8, 4.5e-15, False, 0.0013, "as for steps"),
    ("mean", "bfloat16"): Tolerance(2.5e-2, 0.0, True, 0.63, "over 24 batches, half of the rounding averages out"),
    ("law", "float32"): Tolerance(1e-3, 0.0, False, 0.036, "weights round to 2⁻²⁴ of themselves, moments by 1 − β2ᵗ"),
    ("law", "bfloat16"): Tolerance(1e-3, 0.0, False, 0.26, "as in float32: stored arrays have all of its digits"),
    ("value", "devices"): Tolerance(2e-5, 2e-6, False, 0.27, "as in float32: each device computes other rows"),
    ("step", "microbatch"): Tolerance(2e-4, 2.4e-7, False, 0.16, "as in float32: passes change the order of sums"),
    ("run", "microbatch"): Tolerance(5e-4, 2.4e-6, False, 0.035, "as in float32"),
    ("step", "devices"): Tolerance(2e-4, 2.4e-7, False, 0.16, "as in float32: devices change the order of sums"),
    ("run", "devices"): Tolerance(5e-4, 2.4e-6, False, 0.035, "as in float32"),
}


def precision_of(lane: Lane) -> Precision:
    """Return the precision that configurations have in a lane."""
    return lane if lane == "float64" or lane == "bfloat16" else "float32"


#: added to every limit, since float32 loses digits below 1e-38; a whole gradient can be that small if logits exceed 80
UNDERFLOW = 1e-36

#: standard deviations by which a statistic of noise may differ from its mean; a correct device exceeds this with
#: probability 2e-9
NOISE_DEVIATIONS = 6.0

#: limit for all but one of the runs: the reciprocity error R = mean ‖F(z) − E(G(F(z)))‖² / var F(z) after 400 steps,
#: divided by its initial value; the division by var F(z) is needed because F alone can shrink the numerator. The
#: reference reaches 0.19, and 1.16 without the reciprocity update
RECIPROCITY_RATIO = 0.40
RECIPROCITY_EXCEPTIONS = 1
#: limits by step for the difference between the mean of log R and the reference's, paired by run, at 90 % confidence.
#: Correct backends have a standard deviation of 0.0002 after 100 steps and 0.07 after 400, and use a quarter of it
RECIPROCITY_EQUIVALENCE = {100: log(1.05), 400: log(1.25)}
