"""E of StyleALAE, and the plain networks on images: an ablation of E, and D on images."""

from math import prod

import keras
from keras import ops

from alae_core.config import Config
from alae_core.networks.features import (
    Tensor,
    blur,
    downsample,
    from_nhwc,
    instance_norm,
    per_channel,
    statistics,
    to_nhwc,
)
from alae_core.networks.layers import Dense, LeakyReLU, SpecLayer
from alae_core.networks.perceptron import select_logits
from alae_core.networks.specs import Section
from alae_core.networks.style_layout import COMPARED
from alae_core.networks.style_parts import SLOPE, lerp, make_conv, may_fade

# ε of instance norm, as in the authors' code
_EPSILON = 1e-5


class Downwards(SpecLayer, keras.Model):
    """Passes images through a from-RGB convolution, then through blocks down to 4×4."""

    def __init__(self, config: Config, section: Section, blocks: list[SpecLayer]) -> None:
        super().__init__(section, dtype=config.dtype, autocast=False)
        self.blocks = blocks
        self.from_rgb = [make_conv(config, section / f"from_rgb{i}") for i in range(config.lods)]
        # The authors apply the leaky ReLU twice.
        self.leaky = LeakyReLU(SLOPE**2, dtype=config.dtype)

    def _down(self, x: Tensor, lod: int, blend: Tensor | float) -> tuple[Tensor, list[Tensor]]:
        """Return the output of the 4×4 block, and the statistics of each block that has some, finest first."""
        image, parts = from_nhwc(x), []
        x = self.leaky(self.from_rgb[lod](image))
        for i in range(lod, -1, -1):
            x, part = self.blocks[i](x)
            parts.append(part)
            if 0 < i == lod and may_fade(blend):
                x = lerp(self.leaky(self.from_rgb[i - 1](downsample(image))), x, blend)
        return x, parts


class Encoder(Downwards):
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
        if lod and may_fade(blend):
            described[0] = described[0] * blend
        return sum(described[1:], described[0])

    def hidden(self, x, lod: int, blend: Tensor | float = 1.0):
        """Concatenate all layers' channel means and deviations, of which w is an affine map: (batch, n)."""
        _, parts = self._down(x, lod, blend)
        return ops.concatenate([layer for block in parts for layer in block], axis=-1)


class _EncoderBlock(SpecLayer):
    def __init__(self, config: Config, section: Section) -> None:
        super().__init__(section, dtype=config.dtype, autocast=False)
        self.conv1 = make_conv(config, section / "conv1")
        self.described1 = _StatisticsLayer(config, section / "described1")
        self.conv2 = make_conv(config, section / "conv2", resample="down")
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
        self.leaky = LeakyReLU(SLOPE, dtype=config.dtype)

    def call(self, x):
        x = self.leaky(x + per_channel(self.effective_weight("bias")))
        x, mean, variance = instance_norm(x, _EPSILON)
        return x, statistics(mean, variance)


class PlainEncoder(Downwards):
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

    def call(self, x, lod: int, blend: Tensor | float = 1.0, labels: Tensor | None = None):
        """Encode (batch, R, R, C) with R = 4·2^lod as (batch, w), or as logits (batch,); `blend` fades features.

        A discriminator with labels takes them as one-hot (batch, classes).
        """
        x = self.head(self.hidden(x, lod, blend))
        if not self.is_discriminator:
            return x
        return x[:, 0] if labels is None else select_logits(x, labels)

    def hidden(self, x, lod: int, blend: Tensor | float = 1.0):
        """Return the input of the last layer, (batch, n)."""
        return self._down(x, lod, blend)[0]


class _PlainBlock(SpecLayer):
    def __init__(self, config: Config, section: Section, *, has_spread: bool) -> None:
        super().__init__(section, dtype=config.dtype, autocast=False)
        self.has_spread, self.leaky = has_spread, LeakyReLU(SLOPE, dtype=config.dtype)
        self.conv1 = make_conv(config, section / "conv1")
        is_last = "dense/kernel" in section.layout
        self.conv2 = None if is_last else make_conv(config, section / "conv2", resample="down")
        self.dense = Dense(section / "dense", dtype=config.dtype) if is_last else None

    def call(self, x):
        x = self.leaky(self.conv1(_with_spread(x) if self.has_spread else x))
        if self.conv2 is not None:
            return self.leaky(self.conv2(blur(x))), None
        return self.leaky(self.dense(ops.reshape(to_nhwc(x), (x.shape[0], -1)))), None


def _with_spread(x: Tensor, group: int = COMPARED) -> Tensor:
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
