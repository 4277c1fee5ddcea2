"""What ALAE is compared with, as data: autoencoder, VAE and BiGAN, made of ALAE's own networks and losses.

A GAN of the same G∘F and D∘E without a loop is ALAE itself, where reciprocity is none. `config.NETWORKS` says which
networks each has.
"""

from functools import partial
from typing import TYPE_CHECKING

from keras import ops

from alae_core.config import Config
from alae_core.losses import OBJECTIVES, divergence_from_prior, generator_loss, squared_distance
from alae_core.updates import (
    Batch,
    InputGradient,
    Tensor,
    Update,
    adams_of,
    encode,
    generate,
    pixel_distance,
    telling_apart,
)

if TYPE_CHECKING:
    from alae_core.model import Alae


def autoencoder(config: Config) -> tuple[Update, ...]:
    """G∘E alone, drawn together by pixels: no prior, hence no samples."""
    adams = adams_of(config, "reconstruction", "EG")
    loss = partial(_reconstruction, config)
    return (Update("reconstruction", "R", loss, adams, draws=("noise",), moves_w_mean=False),)


def vae(config: Config) -> tuple[Update, ...]:
    """A variational autoencoder (Kingma and Welling 2014): q(w | x) = N(E(x), exp V(x)), p(w) = N(0, I)."""
    return (Update("evidence", "V", _evidence, adams_of(config, "evidence", "EVG"), draws=("z", "noise")),)


def bigan(config: Config) -> tuple[Update, ...]:
    """A bidirectional GAN (Donahue et al. 2017): C tells pairs (x, E(x)) from pairs (G(w), w), w from the prior."""
    critic, deceivers = adams_of(config, "discriminator", "XC"), adams_of(config, "generator", "EG")
    return (
        Update("discriminator", "C", partial(_critic, config), critic, draws=("z", "noise")),
        Update("generator", "G", partial(_deceivers, config), deceivers, draws=("z", "noise")),
    )


def _reconstruction(config: Config, alae: "Alae", batch: Batch, input_gradient: InputGradient) -> Tensor:
    return pixel_distance(config, alae, batch)


def _evidence(alae: "Alae", batch: Batch, input_gradient: InputGradient) -> Tensor:
    """The evidence lower bound, negated: ‖x − G(w)‖², pixels summed, and KL(q(w | x) ‖ p(w)); both averaged over x.

    So pixels have the variance ½ about G(w). The update's z is what q(w | x) is sampled by.
    """
    mean, log_variance = (encode(alae, batch.images, batch, by=network) for network in "EV")
    w = mean + ops.exp(log_variance / 2) * batch.z
    distance = squared_distance(batch.images, generate(alae, w, batch), mean=False)
    return distance + divergence_from_prior(mean, log_variance)


def _critic(config: Config, alae: "Alae", batch: Batch, input_gradient: InputGradient) -> Tensor:
    """C's loss on pairs, and R1 of the gradient by real images, E(x) beside them held."""
    w = alae.F(batch.z)
    fake, code = (ops.stop_gradient(each) for each in (generate(alae, w, batch), encode(alae, batch.images, batch)))
    return telling_apart(
        config,
        lambda images: _paired(alae, images, code, batch),
        batch.images,
        _paired(alae, fake, w, batch),
        input_gradient,
    )


def _deceivers(config: Config, alae: "Alae", batch: Batch, input_gradient: InputGradient) -> Tensor:
    """G makes C take its pairs for real, and E makes it take its own for generated."""
    objective, w = OBJECTIVES[config.objective], alae.F(batch.z)
    generated = _paired(alae, generate(alae, w, batch), w, batch)
    encoded = _paired(alae, batch.images, encode(alae, batch.images, batch), batch)
    return generator_loss(objective, generated) + generator_loss(objective, -encoded)


def _paired(alae: "Alae", images: Tensor, w: Tensor, batch: Batch) -> Tensor:
    """C's logit of each image beside its w, (batch,)."""
    return alae.networks["C"](ops.concatenate([encode(alae, images, batch, by="X"), w], axis=-1))
