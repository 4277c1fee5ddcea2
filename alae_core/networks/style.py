"""StyleALAE: a style-based generator and the encoder that mirrors it, grown level by level (paper section 4).

A network of L blocks has images of 4·2^(L−1) pixels a side; block i, of level of detail (lod) i, computes at 4·2^i.
Both networks run at any lod: they use the blocks up to it, and the RGB convolution of that lod. `blend`, from 0 to 1,
fades block `lod` in, in parallel to the path through the lod below. `style_layout` lists the weights.
"""

import keras

from alae_core.config import Config
from alae_core.errors import ArgumentError
from alae_core.networks.family import Family
from alae_core.networks.features import downsample, from_nhwc, to_nhwc, upsample
from alae_core.networks.layers import create_weights
from alae_core.networks.specs import Section
from alae_core.networks.style_encoder import Downwards, Encoder, PlainEncoder
from alae_core.networks.style_generator import Generator
from alae_core.networks.style_parts import lerp, may_fade
from alae_core.view import View


class Styles(Family):
    """StyleALAE: grows by levels of detail; each layer of G has a style and noise, and w has a running mean.

    One-hot labels are appended to z for F, and select one of D's logits; G and E do not take them.
    """

    has_styles = True

    @classmethod
    def generator(cls, config: Config, section: Section) -> "Generator":
        return create_weights(Generator(config, section))

    @classmethod
    def encoder(cls, config: Config, section: Section) -> "Downwards":
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

    def discriminate(self, codes, *, labels=None, lod=None, blend=1.0):
        if self.config.style.discriminator == "latent":
            return super().discriminate(codes, labels=labels)
        return self.networks["D"](codes, lod=lod, blend=blend, labels=labels)

    def hidden(self, images, *, labels=None, lod=None, blend=1.0):
        return self.networks["E"].hidden(images, lod=lod, blend=blend)

    def fade(self, images, *, lod=None, blend=1.0):
        if self.level_of(images) == 0 or not may_fade(blend):
            return images
        maps = from_nhwc(images)
        return to_nhwc(lerp(upsample(downsample(maps)), maps, blend))

    @property
    def finest(self) -> View:
        return View(self.config.lods - 1)

    def require(self, view: View | None) -> View:
        if view is None or view.lod < self.config.lods:
            return view or self.finest
        raise ArgumentError("lod", f"is {view.lod}, but the model has the levels 0 … {self.config.lods - 1}")

    def level_of(self, images) -> int:
        return (images.shape[1] // 4).bit_length() - 1
