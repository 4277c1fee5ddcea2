"""The layout of the conv family's G and E: dense layers, and at each resolution a convolution and a residual one.

Resolutions are numbered from the coarsest.
"""

from math import prod

from alae_core.config import Config
from alae_core.networks.specs import Layout, WeightSpec, he_gain, he_layout, join_parts

#: slope of every leaky ReLU in G and E
SLOPE = 0.2
_GAIN = he_gain(SLOPE)


def coarsest_shape(config: Config) -> tuple[int, int, int]:
    """Return the height, width and channels of the coarsest feature maps."""
    networks, (height, width, _) = config.conv, config.image
    return height // networks.factor, width // networks.factor, networks.widths[0]


def generator_layout(config: Config) -> dict[str, WeightSpec]:
    """Return the specs of the weights of G, by name within the network."""
    networks, widths = config.conv, config.conv.widths
    parts: dict[str, Layout] = {
        "dense0": he_layout((networks.w + config.labels,), networks.hidden, _GAIN),
        "dense1": he_layout((networks.hidden,), prod(coarsest_shape(config)), _GAIN),
    }
    for i, width in enumerate(widths):
        parts |= _residual(config, i)
        last = i == len(widths) - 1
        outputs, gain = (config.image[2], 0.5) if last else (widths[i + 1], _GAIN)
        parts[f"conv{i}"] = he_layout((3, 3, width), outputs, gain)
    return join_parts(parts)


def encoder_layout(config: Config) -> dict[str, WeightSpec]:
    """Return the specs of the weights of E, by name within the network."""
    networks, widths = config.conv, config.conv.widths
    parts: dict[str, Layout] = {}
    inputs = (*widths[1:-1], config.image[2])
    for i, (before, width) in enumerate(zip(inputs, widths, strict=False)):
        parts |= _residual(config, i)
        parts[f"conv{i}"] = he_layout((4, 4, before), width, _GAIN)
    parts["dense0"] = he_layout((prod(coarsest_shape(config)) + config.labels,), networks.hidden, _GAIN)
    parts["dense1"] = he_layout((networks.hidden,), networks.w, 1.0)
    return join_parts(parts)


def _residual(config: Config, i: int) -> dict[str, Layout]:
    """Return the convolution of the residual block at resolution i, which starts at zero."""
    width = config.conv.widths[i]
    kernel, bias = WeightSpec((3, 3, width, width), "zeros"), WeightSpec((width,), "zeros")
    return {f"residual{i}": {"kernel": kernel, "bias": bias}} if i < config.conv.residual else {}
