"""G of StyleALAE."""

from math import pi, sqrt

import keras
from keras import ops

from alae_core.config import Config
from alae_core.networks.features import Tensor, blur, from_nhwc, instance_norm, per_channel, to_nhwc, upsample
from alae_core.networks.layers import Dense, LeakyReLU, SpecLayer
from alae_core.networks.specs import Section
from alae_core.networks.style_parts import SLOPE, lerp, make_conv, may_fade

# ε of instance norm, as in the authors' code
_EPSILON = 1e-8


class Generator(SpecLayer, keras.Model):
    """G: from a style and noise for each layer to images.

    Each block upsamples, convolves and blurs; the first starts from a learned 4×4 constant instead. Noise, bias, leaky
    ReLU, instance norm and style follow; then a convolution, and the same five operations again.
    """

    def __init__(self, config: Config, section: Section) -> None:
        super().__init__(section, dtype=config.dtype, autocast=False)
        self.blocks = [_GeneratorBlock(config, section / f"block{i}", i) for i in range(config.lods)]
        self.to_rgb = [make_conv(config, section / f"to_rgb{i}") for i in range(config.lods)]

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
            if 0 < i == lod and may_fade(blend):
                below = upsample(self.to_rgb[i - 1](x))
            layers = (2 * i, 2 * i + 1)
            styles = [w if len(w.shape) == 2 else w[:, k] for k in layers]
            x = block(x, styles, noise=[maps[k] for k in layers])
        image = self.to_rgb[lod](x)
        return to_nhwc(image if below is None else lerp(below, image, blend))


class _GeneratorBlock(SpecLayer):
    def __init__(self, config: Config, section: Section, lod: int) -> None:
        super().__init__(section, dtype=config.dtype, autocast=False)
        self.conv1 = make_conv(config, section / "conv1", resample="up") if lod else None
        self.styled1 = _StyledLayer(config, section / "styled1", lod)
        self.conv2 = make_conv(config, section / "conv2")
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
        self.leaky = LeakyReLU(SLOPE, dtype=config.dtype)

    def call(self, x, w, noise):
        if isinstance(noise, str):
            x = x + _bump(x, self.lod)
        elif noise is not None:
            x = x + from_nhwc(noise) * per_channel(self.effective_weight("noise"))
        x = self.leaky(x + per_channel(self.effective_weight("bias")))
        x, _, _ = instance_norm(x, _EPSILON)
        style = self.style(w)
        return x * (per_channel(style[:, : self.width]) + 1) + per_channel(style[:, self.width :])


def _bump(x: Tensor, lod: int) -> Tensor:
    # With `noise=False`, the authors' code adds 0.8·s·exp(−x²/2s²)/√2π, where s = √(lod + 1), instead of nothing.
    s = sqrt(lod + 1)
    return 0.8 * s / sqrt(2 * pi) * ops.exp(-ops.square(x) / (2 * s * s))
