"""The layout of StyleALAE's G, E and D on images.

Block i, of level of detail (lod) i, is used at its own level and all finer ones. An RGB convolution is used at its own
level, and while the next one fades in.
"""

from alae_core.config import Config
from alae_core.networks.specs import Layout, WeightSpec, convolution_layout, dense_layout, join_parts

#: the number of images in a group, within which a D on images measures how much they vary
COMPARED = 4


def count_compared(config: Config) -> int:
    """Return the number of images in a group that a part of a batch must not divide; 1 if images are not compared."""
    return COMPARED if config.networks.discriminator == "images" else 1


def generator_layout(config: Config) -> dict[str, WeightSpec]:
    """Return the specs of the weights of G, by name within the network."""
    style, lods, channels = config.style, config.lods, config.image[2]
    widths = style.widths(lods)
    found = {"const": WeightSpec((4, 4, widths[0]), "ones")}
    for lod, width in enumerate(widths):
        styled = {
            "noise": WeightSpec((width,), "zeros"),
            "bias": WeightSpec((width,), "zeros"),
            **join_parts({"style": dense_layout(style.w, 2 * width, gain=1.0)}),
        }
        block: dict[str, Layout] = {"styled1": styled, "conv2": convolution_layout(width, width, 3), "styled2": styled}
        if lod:
            block["conv1"] = convolution_layout(widths[lod - 1], width, 3)
        to_rgb = convolution_layout(width, channels, 1, gain=0.03, bias=True)
        found |= _level_layout(config, lod, block, {f"to_rgb{lod}": to_rgb})
    return found


def list_style_kernels(config: Config) -> list[str]:
    """Return the names in a model of the kernels that map w to each style layer of G, coarsest first, two per block."""
    return [f"G/block{lod}/styled{layer}/style/kernel" for lod in range(config.lods) for layer in (1, 2)]


def encoder_layout(config: Config) -> dict[str, WeightSpec]:
    """Return the specs of the weights of E, by name within the network."""
    if config.style.encoder == "plain":
        return _plain_encoder_layout(config, config.style.w)
    found: dict[str, WeightSpec] = {}
    w = config.style.w
    for lod in range(config.lods):
        width, below = _block_widths(config, lod)
        block: dict[str, Layout] = {
            "conv1": convolution_layout(width, width, 3),
            "described1": _statistics_layout(width, w),
            "conv2": convolution_layout(width, below, 3),
            "described2": _statistics_layout(below, w),
        }
        from_rgb = convolution_layout(config.image[2], width, 1, bias=True)
        found |= _level_layout(config, lod, block, {f"from_rgb{lod}": from_rgb})
    return found


def discriminator_layout(config: Config) -> dict[str, WeightSpec]:
    """Return the specs of the weights of a D on images, with a logit for each class.

    Its 4×4 block gets one feature map more than E's.
    """
    return _plain_encoder_layout(config, config.classes_of("D") or 1, spread=1)


def _plain_encoder_layout(config: Config, outputs: int, spread: int = 0) -> dict[str, WeightSpec]:
    found = join_parts({"head": dense_layout(config.style.width(config.lods), outputs, gain=1.0)})
    for lod in range(config.lods):
        width, below = _block_widths(config, lod)
        block: dict[str, Layout]
        if lod:
            block = {
                "conv1": convolution_layout(width, width, 3, bias=True),
                "conv2": convolution_layout(width, below, 3, bias=True),
            }
        else:
            block = {
                "conv1": convolution_layout(width + spread, width, 3, bias=True),
                "dense": dense_layout(4 * 4 * width, below),
            }
        from_rgb = convolution_layout(config.image[2], width, 1, bias=True)
        found |= _level_layout(config, lod, block, {f"from_rgb{lod}": from_rgb})
    return found


def _level_layout(config: Config, lod: int, block: dict[str, Layout], rgb: dict[str, Layout]) -> dict[str, WeightSpec]:
    block_specs = join_parts({f"block{lod}": join_parts(block)}, levels=range(lod, config.lods))
    return block_specs | join_parts(rgb, levels=range(lod, lod + 2))


def _block_widths(config: Config, lod: int) -> tuple[int, int]:
    """Return the numbers of feature maps that an encoder's block gets, and passes to the block below."""
    return config.style.width(config.lods - lod - 1), config.style.width(config.lods - lod)


def _statistics_layout(width: int, w: int) -> dict[str, WeightSpec]:
    # `style` gets the mean and the standard deviation of each feature map.
    return {"bias": WeightSpec((width,), "zeros"), **join_parts({"style": dense_layout(2 * width, w)})}
