"""The conv family: small residual convolutional G and E, without normalization layers, levels or styles.

A residual block is x + conv(leaky(x)); its convolution starts at zero. `conv_layout` lists the weights.
"""

import keras
from keras import ops

from alae_core.config import Config
from alae_core.networks.conv_layout import SLOPE, coarsest_shape
from alae_core.networks.family import Family
from alae_core.networks.features import Conv, Tensor, flatten, from_nhwc, to_nhwc, upsample_bilinear
from alae_core.networks.layers import Dense, LeakyReLU, PixelNorm, SpecLayer, Tanh, create_weights, layer_dtype
from alae_core.networks.specs import Section


class Convolutions(Family):
    """G and E convolutional, F and D perceptrons; one-hot labels are appended to the inputs of dense layers."""

    @classmethod
    def generator(cls, config: Config, section: Section) -> "Generator":
        return create_weights(Generator(config, section))

    @classmethod
    def encoder(cls, config: Config, section: Section) -> "Encoder":
        return create_weights(Encoder(config, section))

    def generate(self, w, *, labels=None, noise=None, lod=None, blend=1.0):
        return self.networks["G"](w, labels)

    def encode(self, images, *, by="E", labels=None, lod=None, blend=1.0):
        return self.networks[by](images, labels)

    def hidden(self, images, *, labels=None, lod=None, blend=1.0):
        return self.networks["E"].features(images)


class _Network(SpecLayer, keras.Model):
    """The layers that G and E share: two dense layers, and convolutions by resolution, coarsest first."""

    def __init__(self, config: Config, section: Section, resample: str | None) -> None:
        super().__init__(section, dtype=config.dtype, autocast=False)
        dtype, parts = layer_dtype(config), {name.split("/")[0] for name in section.layout}
        self.config, self.leaky = config, LeakyReLU(SLOPE, dtype=config.dtype)
        self.dense = [Dense(section / name, dtype=dtype) for name in ("dense0", "dense1")]
        count = sum(name.startswith("conv") for name in parts)
        self.convolutions = [Conv(section / f"conv{i}", resample=resample, dtype=dtype) for i in range(count)]
        self.residuals = [
            Conv(section / f"residual{i}", dtype=dtype) if f"residual{i}" in parts else None for i in range(count)
        ]

    def _refine(self, x: Tensor, i: int) -> Tensor:
        """Apply the residual block at resolution i, if there is one, and a leaky ReLU."""
        residual = self.residuals[i]
        return self.leaky(x if residual is None else x + residual(self.leaky(x)))

    def _apply_dense(self, x: Tensor, labels: Tensor | None) -> Tensor:
        x = x if labels is None else ops.concatenate([x, labels], axis=-1)
        hidden = self.leaky(ops.cast(self.dense[0](x), self.config.dtype))
        return ops.cast(self.dense[1](hidden), self.config.dtype)


class Generator(_Network):
    """G: two dense layers to the coarsest maps; then at each resolution a residual block, a convolution, and ×2."""

    def __init__(self, config: Config, section: Section) -> None:
        super().__init__(config, section, resample=None)
        self.tanh = Tanh(dtype=config.dtype)

    def call(self, w, labels=None):
        """(batch, w), and one-hot labels (batch, classes) if `config.labels`, to images (batch, H, W, C)."""
        x = from_nhwc(ops.reshape(self._apply_dense(w, labels), (-1, *coarsest_shape(self.config))))
        for i, conv in enumerate(self.convolutions):
            x = upsample_bilinear(x) if i else x
            x = conv(self._refine(x, i))
        images = to_nhwc(x)
        return self.tanh(images) if self.config.networks.output == "tanh" else images


class Encoder(_Network):
    """E: at each resolution a 4×4 convolution with stride 2 and a residual block; then two dense layers to w."""

    def __init__(self, config: Config, section: Section) -> None:
        super().__init__(config, section, resample="stride")
        self.normalizes = config.networks.normalize_w and section.name == "E"
        self.normalize = PixelNorm(dtype=config.dtype)

    def call(self, images, labels=None):
        """(batch, H, W, C), and one-hot labels (batch, classes) if `config.labels`, to (batch, w)."""
        w = self._apply_dense(self.features(images), labels)
        return self.normalize(w) if self.normalizes else w

    def features(self, images):
        """Return the coarsest feature maps, flattened: (batch, H, W, C) to (batch, n)."""
        x = from_nhwc(images)
        for i in reversed(range(len(self.convolutions))):
            x = self._refine(self.convolutions[i](x), i)
        return flatten(x)
