"""StyleALAE: a style-based generator and the encoder that mirrors it, grown level by level (paper section 4).

A network of L blocks makes images of 4·2^(L−1) pixels; block i, of level of detail (lod) i, works at 4·2^i. Both
networks run at any lod: through the blocks up to it, between the from-RGB and to-RGB of that lod. `blend`, from 0 to 1,
fades block `lod` in beside the path through the lod below.
"""

from collections.abc import Mapping
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
from alae_core.networks.layers import Dense, LeakyReLU, Scaled
from alae_core.view import View

_SLOPE = 0.2
# ε of instance norm in the authors' E and G
_E_EPSILON, _G_EPSILON = 1e-5, 1e-8


class Styles(Family):
    """StyleALAE: levels of detail that grow, a style and noise for each layer of G, a running mean of w."""

    has_styles = True

    def __init__(self, config: Config, networks: Mapping[str, keras.Model]) -> None:
        super().__init__(config, networks)
        # At every level from a block's own on; an RGB convolution also while the level above fades in.
        found = [
            (weight, levels)
            for network in self.networks.values()
            if isinstance(network, Generator | _Downwards)
            for part, levels in network.levels()
            for weight in part.trainable_variables
        ]
        used = {id(weight): levels for weight, levels in found}
        self._used = {name: used.get(id(weight), range(config.lods)) for name, weight in self.variables.items()}

    @classmethod
    def generator(cls, config: Config) -> "Generator":
        return _built(Generator(config, name="G"))

    @classmethod
    def encoder(cls, config: Config, name: str) -> "_Downwards":
        kind = Encoder if config.style.encoder == "style" else PlainEncoder
        return _built(kind(config, name=name))

    @classmethod
    def discriminator(cls, config: Config) -> keras.Model:
        """D of `config`; on images an encoder of its own with one output, (batch, H, W, C) to (batch,)."""
        if config.style.discriminator == "latent":
            return super().discriminator(config)
        return _built(PlainEncoder(config, is_discriminator=True, name="D"))

    def generate(self, w, *, labels=None, noise=None, lod=None, blend=1.0):
        return self.networks["G"](w, noise=noise, lod=lod, blend=blend)

    def encode(self, images, *, by="E", labels=None, lod=None, blend=1.0):
        return self.networks[by](images, lod=lod, blend=blend)

    def hidden(self, images, *, labels=None, lod=None, blend=1.0):
        return self.networks["E"].hidden(images, lod=lod, blend=blend)

    def faded(self, images, blend):
        if self.level_of(images) == 0 or not _fades(blend):
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

    def takes_part(self, weight: str, lod: int | None) -> bool:
        return lod is None or lod in self._used[weight]


class Generator(Scaled, keras.Model):
    """G: a style for each layer, and noise, to images.

    From a learned 4×4 constant, each block upsamples, convolves and blurs (the first has the constant instead); then
    come noise, bias, leaky ReLU, instance norm and style, a convolution, and the same once more.
    """

    def __init__(self, config: Config, **kwargs) -> None:
        super().__init__(dtype=config.dtype, autocast=False, **kwargs)
        self.widths = config.style.widths(config.lods)
        self.blocks = [_GeneratorBlock(config, i, self.widths[i], name=f"block{i}") for i in range(config.lods)]
        self.to_rgb = [
            _conv(config, f"G/to_rgb{i}", config.image[2], 1, gain=0.03, bias=True) for i in range(config.lods)
        ]

    def build(self, input_shape):
        self.const = self.add_scaled("const", (4, 4, self.widths[0]), "ones")
        for i, width in enumerate(self.widths):
            self.blocks[i].build(self.widths[max(i - 1, 0)])
            self.to_rgb[i].build(width)

    def levels(self) -> list[tuple[keras.layers.Layer, range]]:
        """Its parts, each with the levels of detail that it takes part in."""
        return _levels(self.blocks, self.to_rgb)

    def call(self, w, lod: int, blend: Tensor | float = 1.0, noise=None):
        """Images at one level of detail.

        Args:
            w: (batch, w), or a style for each layer: (batch, at least 2·(lod + 1), w).
            lod: the level of detail.
            blend: 0 shows the level below enlarged, 1 this one.
            noise: a map for each layer, (batch, R, R, 1) of the layer's resolution R; the first may, like the constant,
                have batch 1. None is no noise, "bump" what the authors add in its place.

        Returns:
            (batch, R, R, C) with R = 4·2^lod; linear, so values may leave [−1, 1].
        """
        maps = noise if isinstance(noise, (list, tuple)) else [noise] * 2 * (lod + 1)
        x, below = from_nhwc(ops.convert_to_tensor(self.const)[None]), None
        for i, block in enumerate(self.blocks[: lod + 1]):
            if 0 < i == lod and _fades(blend):
                below = upsample(self.to_rgb[i - 1](x))
            layers = (2 * i, 2 * i + 1)
            styles = [w if len(w.shape) == 2 else w[:, k] for k in layers]
            x = block(x, styles, noise=[maps[k] for k in layers])
        image = self.to_rgb[lod](x)
        return to_nhwc(image if below is None else _lerp(below, image, blend))


class _GeneratorBlock(keras.layers.Layer):
    def __init__(self, config: Config, lod: int, width: int, **kwargs) -> None:
        super().__init__(dtype=config.dtype, autocast=False, **kwargs)
        self.width, self.w, purpose = width, config.style.w, f"G/block{lod}"
        self.conv1 = _conv(config, f"{purpose}/conv1", width, 3, resample="up") if lod else None
        self.styled1 = _Styled(config, f"{purpose}/styled1", lod, width, name="styled1")
        self.conv2 = _conv(config, f"{purpose}/conv2", width, 3)
        self.styled2 = _Styled(config, f"{purpose}/styled2", lod, width, name="styled2")

    def build(self, inputs):
        if self.conv1 is not None:
            self.conv1.build(inputs)
        self.conv2.build(self.width)
        for styled in (self.styled1, self.styled2):
            styled.build(self.w)

    def call(self, x, styles, noise):
        x = x if self.conv1 is None else blur(self.conv1(x))
        x = self.styled1(x, styles[0], noise=noise[0])
        return self.styled2(self.conv2(x), styles[1], noise=noise[1])


class _Styled(Scaled):
    """Noise (one map per image, a weight per channel), bias, leaky ReLU, instance norm; then x · (s₀ + 1) + s₁."""

    def __init__(self, config: Config, purpose: str, lod: int, width: int, **kwargs) -> None:
        super().__init__(dtype=config.dtype, autocast=False, **kwargs)
        self.lod, self.width = lod, width
        self.style = _dense(config, f"{purpose}/style", 2 * width, gain=1.0)
        self.leaky = LeakyReLU(_SLOPE, dtype=config.dtype)

    def build(self, w):
        self.noise = self.add_scaled("noise", (self.width,), "zeros")
        self.bias = self.add_scaled("bias", (self.width,), "zeros")
        self.style.build((None, w))

    def call(self, x, w, noise):
        if isinstance(noise, str):
            x = x + _bump(x, self.lod)
        elif noise is not None:
            x = x + from_nhwc(noise) * per_channel(ops.convert_to_tensor(self.noise))
        x = self.leaky(x + per_channel(ops.convert_to_tensor(self.bias)))
        x, _, _ = instance_norm(x, _G_EPSILON)
        style = self.style(w)
        return x * (per_channel(style[:, : self.width]) + 1) + per_channel(style[:, self.width :])


def _bump(x: Tensor, lod: int) -> Tensor:
    # What the authors' `noise=False` adds: not zero noise, but 0.8·s·exp(−x²/2s²)/√2π with s = √(lod + 1).
    s = sqrt(lod + 1)
    return 0.8 * s / sqrt(2 * pi) * ops.exp(-ops.square(x) / (2 * s * s))


class _Downwards(keras.Model):
    """Images through a from-RGB convolution, and blocks from theirs down to 4×4."""

    def __init__(self, config: Config, blocks: list[keras.layers.Layer], **kwargs) -> None:
        super().__init__(dtype=config.dtype, autocast=False, **kwargs)
        self.channels, self.widths, self.blocks = config.image[2], config.style.widths(config.lods), blocks
        self.from_rgb = [_conv(config, f"{self.name}/from_rgb{i}", n, 1, bias=True) for i, n in enumerate(self.widths)]
        # Rectified twice by the authors.
        self.leaky = LeakyReLU(_SLOPE**2, dtype=config.dtype)

    def build(self, input_shape):
        for i, width in enumerate(self.widths):
            self.from_rgb[i].build(self.channels)
            self.blocks[i].build(width)

    def levels(self) -> list[tuple[keras.layers.Layer, range]]:
        """Its parts, each with the levels of detail that it takes part in."""
        return _levels(self.blocks, self.from_rgb)

    def _down(self, x: Tensor, lod: int, blend: Tensor | float) -> tuple[Tensor, list[Tensor]]:
        """What the 4×4 block makes of images, and what each block has beside its maps, finest first."""
        image, beside = from_nhwc(x), []
        x = self.leaky(self.from_rgb[lod](image))
        for i in range(lod, -1, -1):
            x, more = self.blocks[i](x)
            beside.append(more)
            if 0 < i == lod and _fades(blend):
                x = _lerp(self.leaky(self.from_rgb[i - 1](downsample(image))), x, blend)
        return x, beside


class Encoder(_Downwards):
    """E: images to w, the sum over layers of an affine map of each one's channel means and standard deviations.

    Each block convolves, rectifies, describes and normalizes; then blurs, convolves and halves, rectifies, describes
    and normalizes once more.
    """

    def __init__(self, config: Config, *, name: str) -> None:
        blocks = [_EncoderBlock(config, f"{name}/block{i}", i, name=f"block{i}") for i in range(config.lods)]
        super().__init__(config, blocks, name=name)

    def call(self, x, lod: int, blend: Tensor | float = 1.0):
        """(batch, R, R, C) with R = 4·2^lod to (batch, w); `blend` as in `Generator.call`."""
        _, parts = self._down(x, lod, blend)
        described = [self.blocks[lod - i].describe(part) for i, part in enumerate(parts)]
        if lod and _fades(blend):
            described[0] = described[0] * blend
        return sum(described[1:], described[0])

    def hidden(self, x, lod: int, blend: Tensor | float = 1.0):
        """What w is an affine map of: every layer's channel means and deviations side by side, (batch, n)."""
        _, parts = self._down(x, lod, blend)
        return ops.concatenate([layer for block in parts for layer in block], axis=-1)


class _EncoderBlock(keras.layers.Layer):
    def __init__(self, config: Config, purpose: str, lod: int, **kwargs) -> None:
        super().__init__(dtype=config.dtype, autocast=False, **kwargs)
        inputs, self.outputs = _widths_down(config, lod)
        self.conv1 = _conv(config, f"{purpose}/conv1", inputs, 3)
        self.described1 = _Described(config, f"{purpose}/described1", name="described1")
        self.conv2 = _conv(config, f"{purpose}/conv2", self.outputs, 3, resample="down")
        self.described2 = _Described(config, f"{purpose}/described2", name="described2")

    def build(self, inputs):
        self.conv1.build(inputs)
        self.described1.build(inputs)
        self.conv2.build(inputs)
        self.described2.build(self.outputs)

    def call(self, x):
        x, first = self.described1(self.conv1(x))
        x, second = self.described2(self.conv2(blur(x)))
        return x, (first, second)

    def describe(self, statistics):
        """The block's part of w, from what each of its layers has beside its maps."""
        first, second = statistics
        return self.described1.style(first) + self.described2.style(second)


class _Described(Scaled):
    """Bias and leaky ReLU; then instance norm, and beside it the statistics that the layer's part of w is made of."""

    def __init__(self, config: Config, purpose: str, **kwargs) -> None:
        super().__init__(dtype=config.dtype, autocast=False, **kwargs)
        self.style = _dense(config, f"{purpose}/style", config.style.w)
        self.leaky = LeakyReLU(_SLOPE, dtype=config.dtype)

    def build(self, width):
        self.bias = self.add_scaled("bias", (width,), "zeros")
        self.style.build((None, 2 * width))

    def call(self, x):
        x = self.leaky(x + per_channel(ops.convert_to_tensor(self.bias)))
        x, mean, variance = instance_norm(x, _E_EPSILON)
        return x, statistics(mean, variance)


class PlainEncoder(_Downwards):
    """Images to a vector without style statistics: an ablation of E or, as a discriminator beside E, an image's logit.

    Blocks like E's, without statistics and norms; the 4×4 block ends in a dense layer. A discriminator's 4×4 block also
    sees how much its batch varies (Karras et al. 2018, section 3).
    """

    def __init__(self, config: Config, *, name: str, is_discriminator: bool = False) -> None:
        blocks = [
            _PlainBlock(config, f"{name}/block{i}", i, sees_spread=is_discriminator and i == 0, name=f"block{i}")
            for i in range(config.lods)
        ]
        super().__init__(config, blocks, name=name)
        self.is_discriminator, self.features = is_discriminator, config.style.width(config.lods)
        self.head = _dense(config, f"{name}/head", 1 if is_discriminator else config.style.w, gain=1.0)

    def build(self, input_shape):
        super().build(input_shape)
        self.head.build((None, self.features))

    def call(self, x, lod: int, blend: Tensor | float = 1.0):
        """(batch, R, R, C) with R = 4·2^lod to (batch, w), or (batch,) as a discriminator; `blend` fades features."""
        x = self.head(self.hidden(x, lod, blend))
        return x[:, 0] if self.is_discriminator else x

    def hidden(self, x, lod: int, blend: Tensor | float = 1.0):
        """What the last layer sees, (batch, n)."""
        return self._down(x, lod, blend)[0]


class _PlainBlock(keras.layers.Layer):
    def __init__(self, config: Config, purpose: str, lod: int, *, sees_spread: bool, **kwargs) -> None:
        super().__init__(dtype=config.dtype, autocast=False, **kwargs)
        inputs, outputs = _widths_down(config, lod)
        self.lod, self.sees_spread, self.leaky = lod, sees_spread, LeakyReLU(_SLOPE, dtype=config.dtype)
        self.conv1 = _conv(config, f"{purpose}/conv1", inputs, 3, bias=True)
        if lod:
            self.conv2 = _conv(config, f"{purpose}/conv2", outputs, 3, bias=True, resample="down")
        else:
            self.dense = _dense(config, f"{purpose}/dense", outputs)

    def build(self, inputs):
        self.conv1.build(inputs + self.sees_spread)
        if self.lod:
            self.conv2.build(inputs)
        else:
            self.dense.build((None, 4 * 4 * inputs))

    def call(self, x):
        x = self.leaky(self.conv1(_with_spread(x) if self.sees_spread else x))
        if self.lod:
            return self.leaky(self.conv2(blur(x))), None
        return self.leaky(self.dense(ops.reshape(to_nhwc(x), (x.shape[0], 4 * 4 * self.conv1.filters)))), None


def _built(network):
    network.build(None)
    return network


def _levels(blocks, rgb) -> list[tuple[keras.layers.Layer, range]]:
    return [
        *((block, range(i, len(blocks))) for i, block in enumerate(blocks)),
        *((convolution, range(i, i + 2)) for i, convolution in enumerate(rgb)),
    ]


def _widths_down(config: Config, lod: int) -> tuple[int, int]:
    """Feature maps that a block of E sees, and that it makes for the block below."""
    return config.style.width(config.lods - lod - 1), config.style.width(config.lods - lod)


def _with_spread(x: Tensor, group: int = 4) -> Tensor:
    """`x` with one more channel: the mean standard deviation within each `group` of images, count/group apart."""
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


def _conv(config: Config, name: str, filters: int, size: int, **choices) -> Conv:
    # Convolutions are where the work is, and all that computes in bfloat16: norms and statistics need their digits.
    dtype = "mixed_bfloat16" if config.precision == "bfloat16" else config.precision
    last = name.rpartition("/")[2]
    return Conv(filters, size, seed=config.seed, purpose=f"weights/{name}", dtype=dtype, name=last, **choices)


def _dense(config: Config, name: str, units: int, **choices) -> Dense:
    last = name.rpartition("/")[2]
    purpose = f"weights/{name}"
    return Dense(units, seed=config.seed, purpose=purpose, equalized=True, dtype=config.dtype, name=last, **choices)


def _fades(blend: Tensor | float) -> bool:
    """Whether the lod below is needed: a blend that is no tensor is known, and 1 shows nothing of it."""
    return not (isinstance(blend, (int, float)) and blend == 1)


def _lerp(below: Tensor, above: Tensor, blend: Tensor | float) -> Tensor:
    return below * (1 - blend) + above * blend
