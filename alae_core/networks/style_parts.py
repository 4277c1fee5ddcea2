"""Parts of StyleALAE's networks that G and E share."""

from alae_core.config import Config
from alae_core.networks.features import Conv, Tensor
from alae_core.networks.layers import layer_dtype
from alae_core.networks.specs import Section

#: the slope of leaky ReLUs
SLOPE = 0.2


def make_conv(config: Config, section: Section, **choices) -> Conv:
    """Return a convolution in the precision of layers."""
    # Convolutions dominate the cost; norms and statistics need more digits than bfloat16 has.
    return Conv(section, dtype=layer_dtype(config), **choices)


def may_fade(blend: Tensor | float) -> bool:
    """Return whether the level below may be visible; always true for a tensor, because its value is unknown."""
    return not (isinstance(blend, (int, float)) and blend == 1)


def lerp(below: Tensor, above: Tensor, blend: Tensor | float) -> Tensor:
    """Return the mixture of two levels of detail; `blend` is the share of the finer one."""
    return below * (1 - blend) + above * blend
