"""StyleALAE: a style-based generator and the encoder that mirrors it, grown level by level (paper section 4).

A network of L blocks has images of 4·2^(L−1) pixels a side; block i, of level of detail (lod) i, computes at 4·2^i.
Both networks run at any lod: they use the blocks up to it, and the RGB convolution of that lod. `blend`, from 0 to 1,
fades block `lod` in, in parallel to the path through the lod below. `style_layout` lists the weights.
"""

from math import pi, prod, sqrt

import keras
from keras import ops

from alae_core.config import Config
from alae_core.errors import ArgumentError
from alae_core.networks.family import Family
from alae_core.networks.features import (
    Conv,
    Tensor,
    blur,
    downsample,
    from_nhwc,
    instance_norm,
    per_channel,
    statistics,
    to_nhwc,
    upsample,
)
from alae_core.networks.layers import Dense, LeakyReLU, SpecLayer, create_weights, layer_dtype
from alae_core.networks.specs import Section
from alae_core.view import View

_SLOPE = 0.2
# ε of instance norm in E and in G, as in the authors' code
_E_EPSILON, _G_EPSILON = 1e-5, 1e-8


class Styles(Family):
    """StyleALAE: grows by levels of detail; each layer of G has a style and noise, and w has a running mean."""

    has_styles = True

    @classmethod
    def generator(cls, config: Config, section: Section) -> "Generator":
        return create_weights(Generator(config, section))

    @classmethod
    def encoder(cls, config: Config, section: Section) -> "_Downwards":
        kind = Encoder if config.style.encoder == "style" else PlainEncoder
        return create_weights(kind(config, section))

    @classmethod
    def discriminator(cls, config: Config, section: Section) -> keras.Model:
        """Build D: a perceptron on w, or a plain encoder of images to one number, (batch, H, W, C) to (batch,)."""
        if config.style.discriminator == "latent":
            return super().discriminator(config, section)
        return create_weights(PlainEncoder(config, section, is_discriminator=True))

    def generate(self, w, *, labels=None, noise=None, lod=None, blend=1.0):
        return self.networks["G"](w, noise=noise, lod=lod, blend=blend)

    def encode(self, images, *, by="E", labels=None, lod=None, blend=1.0):
        return self.networks[by](images, lod=lod, blend=blend)

    def hidden(self, images, *, labels=None, lod=None, blend=1.0):
        return self.networks["E"].hidden(images, lod=lod, blend=blend)

    def fade(self, images, *, lod=None, blend=1.0):
        if self.level_of(images) == 0 or not _may_fade(blend):
            return images
        maps = from_nhwc(images)
        return to_nhwc(_lerp(upsample(downsample(maps)), maps, blend))

    @property
    def finest(self) -> View:
        return View(self.config.lods - 1)

    def require(self, view: View | None) -> View:
        if view is None or view.lod < self.config.lods:
            return view or self.finest
        raise ArgumentError("lod", f"is {view.lod}, but the model has the levels 0 … {self.config.lods - 1}")

    def level_of(self, images) -> int:
        return (images.shape[1] // 4).bit_length() - 1


class Generator(SpecLayer, keras.Model):
    """G: from a style and noise for each layer to images.

    Each block upsamples, convolves and blurs; the first starts from a learned 4×4 constant instead. Noise, bias, leaky
    ReLU, instance norm and style follow; then a convolution, and the same five operations again.
    """

    def __init__(self, config: Config, section: Section) -> None:
        super().__init__(section, dtype=config.dtype, autocast=False)
        self.blocks = [_GeneratorBlock(config, section / f"block{i}", i) for i in range(config.lods)]
        self.to_rgb = [_conv(config, section / f"to_rgb{i}") for i in range(config.lods)]

    def call(self, w, lod: int, blend: Tensor | float = 1.0, noise=None):
        """Generate images at one level of detail.

        Args:
            w: (batch, w), or a style for each layer: (batch, at least 2·(lod + 1), w).
            lod: the level of detail.
            blend: 0 gives the images of the level below, enlarged; 1 those of this level.
            noise: a map for each layer, (batch, R, R, 1) at the layer's resolution R; the first may have batch 1, like
                the constant. None adds no noise; "bump" adds a fixed function of the maps, as the authors' code does.

        Returns:
            (batch, R, R, C) with R = 4·2^lod. The output is linear, so values may be outside [−1, 1].
        """
        maps = noise if isinstance(noise, (list, tuple)) else [noise] * 2 * (lod + 1)
        x, below = from_nhwc(self.effective_weight("const")[None]), None
        for i, block in enumerate(self.blocks[: lod + 1]):
            if 0 < i == lod and _may_fade(blend):
                below = upsample(self.to_rgb[i - 1](x))
            layers = (2 * i, 2 * i + 1)
            styles = [w if len(w.shape) == 2 else w[:, k] for k in layers]
            x = block(x, styles, noise=[maps[k] for k in layers])
        image = self.to_rgb[lod](x)
        return to_nhwc(image if below is None else _lerp(below, image, blend))


class _GeneratorBlock(SpecLayer):
    def __init__(self, config: Config, section: Section, lod: int) -> None:
        super().__init__(section, dtype=config.dtype, autocast=False)
        self.conv1 = _conv(config, section / "conv1", resample="up") if lod else None
        self.styled1 = _StyledLayer(config, section / "styled1", lod)
        self.conv2 = _conv(config, section / "conv2")
        self.styled2 = _StyledLayer(config, section / "styled2", lod)

    def call(self, x, styles, noise):
        x = x if self.conv1 is None else blur(self.conv1(x))
        x = self.styled1(x, styles[0], noise=noise[0])
        return self.styled2(self.conv2(x), styles[1], noise=noise[1])


class _StyledLayer(SpecLayer):
    """Noise (a map per image, a weight per channel), bias, leaky ReLU, instance norm; then x · (s₀ + 1) + s₁."""

    def __init__(self, config: Config, section: Section, lod: int) -> None:
        super().__init__(section, dtype=config.dtype, autocast=False)
        self.lod, (self.width,) = lod, section.layout["bias"].shape
        self.style = Dense(section / "style", dtype=config.dtype)
        self.leaky = LeakyReLU(_SLOPE, dtype=config.dtype)

    def call(self, x, w, noise):
        if isinstance(noise, str):
            x = x + _bump(x, self.lod)
        elif noise is not None:
            x = x + from_nhwc(noise) * per_channel(self.effective_weight("noise"))
        x = self.leaky(x + per_channel(self.effective_weight("bias")))
        x, _, _ = instance_norm(x, _G_EPSILON)
        style = self.style(w)
        return x * (per_channel(style[:, : self.width]) + 1) + per_channel(style[:, self.width :])


def _bump(x: Tensor, lod: int) -> Tensor:
    # With `noise=False`, the authors' code adds 0.8·s·exp(−x²/2s²)/√2π, where s = √(lod + 1), instead of nothing.
    s = sqrt(lod + 1)
    return 0.8 * s / sqrt(2 * pi) * ops.exp(-ops.square(x) / (2 * s * s))


class _Downwards(SpecLayer, keras.Model):
    """Passes images through a from-RGB convolution, then through blocks down to 4×4."""

    def __init__(self, config: Config, section: Section, blocks: list[SpecLayer]) -> None:
        super().__init__(section, dtype=config.dtype, autocast=False)
        self.blocks = blocks
        self.from_rgb = [_conv(config, section / f"from_rgb{i}") for i in range(config.lods)]
        # The authors apply the leaky ReLU twice.
        self.leaky = LeakyReLU(_SLOPE**2, dtype=config.dtype)

    def _down(self, x: Tensor, lod: int, blend: Tensor | float) -> tuple[Tensor, list[Tensor]]:
        """Return the output of the 4×4 block, and the statistics of each block that has some, finest first."""
        image, parts = from_nhwc(x), []
        x = self.leaky(self.from_rgb[lod](image))
        for i in range(lod, -1, -1):
            x, part = self.blocks[i](x)
            parts.append(part)
            if 0 < i == lod and _may_fade(blend):
                x = _lerp(self.leaky(self.from_rgb[i - 1](downsample(image))), x, blend)
        return x, parts


class Encoder(_Downwards):
    """E: images to w, which is the sum over layers of an affine map of their channels' means and standard deviations.

    Each block has a convolution, leaky ReLU, these statistics and instance norm; then blur, a convolution that halves
    the size, leaky ReLU, statistics and instance norm.
    """

    def __init__(self, config: Config, section: Section) -> None:
        super().__init__(config, section, [_EncoderBlock(config, section / f"block{i}") for i in range(config.lods)])

    def call(self, x, lod: int, blend: Tensor | float = 1.0):
        """Encode (batch, R, R, C) with R = 4·2^lod as (batch, w); `blend` as in `Generator.call`."""
        _, parts = self._down(x, lod, blend)
        described = [self.blocks[lod - i].map_to_w(part) for i, part in enumerate(parts)]
        if lod and _may_fade(blend):
            described[0] = described[0] * blend
        return sum(described[1:], described[0])

    def hidden(self, x, lod: int, blend: Tensor | float = 1.0):
        """Concatenate all layers' channel means and deviations, of which w is an affine map: (batch, n)."""
        _, parts = self._down(x, lod, blend)
        return ops.concatenate([layer for block in parts for layer in block], axis=-1)


class _EncoderBlock(SpecLayer):
    def __init__(self, config: Config, section: Section) -> None:
        super().__init__(section, dtype=config.dtype, autocast=False)
        self.conv1 = _conv(config, section / "conv1")
        self.described1 = _StatisticsLayer(config, section / "described1")
        self.conv2 = _conv(config, section / "conv2", resample="down")
        self.described2 = _StatisticsLayer(config, section / "described2")

    def call(self, x):
        x, first = self.described1(self.conv1(x))
        x, second = self.described2(self.conv2(blur(x)))
        return x, (first, second)

    def map_to_w(self, statistics):
        """Return the block's part of w, from the statistics of its two layers."""
        first, second = statistics
        return self.described1.style(first) + self.described2.style(second)


class _StatisticsLayer(SpecLayer):
    """Bias, leaky ReLU and instance norm; also returns statistics, which `style` maps to the layer's part of w."""

    def __init__(self, config: Config, section: Section) -> None:
        super().__init__(section, dtype=config.dtype, autocast=False)
        self.style = Dense(section / "style", dtype=config.dtype)
        self.leaky = LeakyReLU(_SLOPE, dtype=config.dtype)

    def call(self, x):
        x = self.leaky(x + per_channel(self.effective_weight("bias")))
        x, mean, variance = instance_norm(x, _E_EPSILON)
        return x, statistics(mean, variance)


class PlainEncoder(_Downwards):
    """Images to a vector without style statistics: an ablation of E, or a discriminator on images.

    Its blocks are like E's without statistics and norms; the 4×4 block ends in a dense layer. The 4×4 block of a
    discriminator gets the standard deviation within the batch as one more map (Karras et al. 2018, section 3).
    """

    def __init__(self, config: Config, section: Section, *, is_discriminator: bool = False) -> None:
        blocks = [
            _PlainBlock(config, section / f"block{i}", has_spread=is_discriminator and i == 0)
            for i in range(config.lods)
        ]
        super().__init__(config, section, blocks)
        self.is_discriminator = is_discriminator
        self.head = Dense(section / "head", dtype=config.dtype)

    def call(self, x, lod: int, blend: Tensor | float = 1.0):
        """Encode (batch, R, R, C) with R = 4·2^lod as (batch, w), or as logits (batch,); `blend` fades features."""
        x = self.head(self.hidden(x, lod, blend))
        return x[:, 0] if self.is_discriminator else x

    def hidden(self, x, lod: int, blend: Tensor | float = 1.0):
        """Return the input of the last layer, (batch, n)."""
        return self._down(x, lod, blend)[0]


class _PlainBlock(SpecLayer):
    def __init__(self, config: Config, section: Section, *, has_spread: bool) -> None:
        super().__init__(section, dtype=config.dtype, autocast=False)
        self.has_spread, self.leaky = has_spread, LeakyReLU(_SLOPE, dtype=config.dtype)
        self.conv1 = _conv(config, section / "conv1")
        is_last = "dense/kernel" in section.layout
        self.conv2 = None if is_last else _conv(config, section / "conv2", resample="down")
        self.dense = Dense(section / "dense", dtype=config.dtype) if is_last else None

    def call(self, x):
        x = self.leaky(self.conv1(_with_spread(x) if self.has_spread else x))
        if self.conv2 is not None:
            return self.leaky(self.conv2(blur(x))), None
        return self.leaky(self.dense(ops.reshape(to_nhwc(x), (x.shape[0], -1)))), None


def _with_spread(x: Tensor, group: int = 4) -> Tensor:
    """Add a channel to `x`: the mean standard deviation over each group of images, which are count/group apart."""
    maps, count = to_nhwc(x), x.shape[0]
    group = min(group, count)
    missing = -count % group
    full = ops.concatenate([maps, maps[:missing]]) if missing else maps
    members = ops.reshape(full, (group, -1, *maps.shape[1:]))
    difference = members - ops.sum(members, axis=0, keepdims=True) / group
    deviation = ops.sqrt(ops.sum(ops.square(difference), axis=0) / group + 1e-8)
    spread = ops.sum(deviation, axis=(1, 2, 3), keepdims=True) / prod(maps.shape[1:])
    spread = ops.tile(spread, (group, *maps.shape[1:3], 1))[:count]
    return from_nhwc(ops.concatenate([maps, spread], axis=-1))


def _conv(config: Config, section: Section, **choices) -> Conv:
    # Convolutions dominate the cost; norms and statistics need more digits than bfloat16 has.
    return Conv(section, dtype=layer_dtype(config), **choices)


def _may_fade(blend: Tensor | float) -> bool:
    """Return whether the level below may be visible; always true for a tensor, because its value is unknown."""
    return not (isinstance(blend, (int, float)) and blend == 1)


def _lerp(below: Tensor, above: Tensor, blend: Tensor | float) -> Tensor:
    return below * (1 - blend) + above * blend
