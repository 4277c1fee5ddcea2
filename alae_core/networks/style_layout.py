"""The weights of StyleALAE's G, E and D on images: every name, shape, initial value, scale and level, without Keras.

Block i, of level of detail (lod) i, is used at its own level and every finer one; an RGB convolution at its own level
and while the next one fades in.
"""

from alae_core.config import Config
from alae_core.networks.specs import WeightSpec, convolution, dense, under


def generator(config: Config) -> dict[str, WeightSpec]:
    """The weights of G, by name within the network."""
    style, lods, channels = config.style, config.lods, config.image[2]
    widths = style.widths(lods)
    found = {"const": WeightSpec((4, 4, widths[0]), "ones")}
    for lod, width in enumerate(widths):
        styled = {
            "noise": WeightSpec((width,), "zeros"),
            "bias": WeightSpec((width,), "zeros"),
            **under("style", dense(style.w, 2 * width, gain=1.0)),
        }
        block = under("conv1", convolution(widths[lod - 1], width, 3)) if lod else {}
        block |= under("styled1", styled) | under("conv2", convolution(width, width, 3)) | under("styled2", styled)
        to_rgb = convolution(width, channels, 1, gain=0.03, bias=True)
        found |= under(f"block{lod}", block, range(lod, lods)) | under(f"to_rgb{lod}", to_rgb, range(lod, lod + 2))
    return found


def style_kernels(config: Config) -> list[str]:
    """The names in a model of the kernels that map w to each style layer of G, coarsest first, two per block."""
    return [f"G/block{lod}/styled{layer}/style/kernel" for lod in range(config.lods) for layer in (1, 2)]


def encoder(config: Config) -> dict[str, WeightSpec]:
    """The weights of E, by name within the network."""
    if config.style.encoder == "plain":
        return _plain_encoder(config, config.style.w)
    found, w = _from_rgb(config), config.style.w
    for lod in range(config.lods):
        width, below = _block_widths(config, lod)
        block = under("conv1", convolution(width, width, 3)) | under("described1", _described(width, w))
        block |= under("conv2", convolution(width, below, 3)) | under("described2", _described(below, w))
        found |= under(f"block{lod}", block, range(lod, config.lods))
    return found


def discriminator(config: Config) -> dict[str, WeightSpec]:
    """The weights of a D on images: a plain encoder to one number, whose 4×4 block sees one more feature map."""
    return _plain_encoder(config, 1, spread=1)


def _block_widths(config: Config, lod: int) -> tuple[int, int]:
    """The numbers of feature maps that a block of an encoder takes, and passes to the block below."""
    return config.style.width(config.lods - lod - 1), config.style.width(config.lods - lod)


def _from_rgb(config: Config) -> dict[str, WeightSpec]:
    found: dict[str, WeightSpec] = {}
    for lod, width in enumerate(config.style.widths(config.lods)):
        from_rgb = convolution(config.image[2], width, 1, bias=True)
        found |= under(f"from_rgb{lod}", from_rgb, range(lod, lod + 2))
    return found


def _described(width: int, w: int) -> dict[str, WeightSpec]:
    # The style layer takes the mean and the standard deviation of each feature map.
    return {"bias": WeightSpec((width,), "zeros"), **under("style", dense(2 * width, w))}


def _plain_encoder(config: Config, outputs: int, spread: int = 0) -> dict[str, WeightSpec]:
    found = _from_rgb(config)
    for lod in range(config.lods):
        width, below = _block_widths(config, lod)
        if lod:
            second = under("conv2", convolution(width, below, 3, bias=True))
        else:
            second = under("dense", dense(4 * 4 * width, below))
        block = under("conv1", convolution(width + (0 if lod else spread), width, 3, bias=True)) | second
        found |= under(f"block{lod}", block, range(lod, config.lods))
    return found | under("head", dense(config.style.width(config.lods), outputs, gain=1.0))
