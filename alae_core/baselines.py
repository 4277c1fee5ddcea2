"""The algorithms that ALAE is compared with: autoencoder, VAE and BiGAN, built from ALAE's networks and losses.

A GAN of the same G∘F and D∘E is ALAE with `reciprocity: none`. `algorithms.py` lists the networks of each.
"""

from functools import partial

from keras import ops

from alae_core.config import Config
from alae_core.framework import InputGradient, Tensor
from alae_core.losses import divergence_from_prior, generator_loss, objective_of, squared_distance
from alae_core.networks.family import Family
from alae_core.updates import (
    Batch,
    Update,
    adams_of,
    discriminator_loss_with_r1,
    encode,
    generate,
    pixel_loss,
)


def autoencoder_updates(config: Config) -> tuple[Update, ...]:
    """Return the update of an autoencoder: G∘E, trained on pixels. Without a prior, it cannot generate samples."""
    adams = adams_of(config, "reconstruction", "EG")
    loss = partial(pixel_loss, config)
    return (Update("reconstruction", "R", loss, adams, draws=("noise",), moves_w_mean=False),)


def vae_updates(config: Config) -> tuple[Update, ...]:
    """Return the updates of a VAE (Kingma and Welling 2014): q(w | x) = N(E(x), exp V(x)), p(w) = N(0, I)."""
    return (Update("evidence", "V", _evidence, adams_of(config, "evidence", "EVG"), draws=("z", "noise")),)


def bigan_updates(config: Config) -> tuple[Update, ...]:
    """Return the updates of a BiGAN (Donahue et al. 2017): C separates (x, E(x)) from (G(w), w), w from the prior."""
    critic, generators = adams_of(config, "discriminator", "XC"), adams_of(config, "generator", "EG")
    return (
        Update("discriminator", "C", partial(_critic, config), critic, draws=("z", "noise")),
        Update("generator", "G", partial(_generator_and_encoder, config), generators, draws=("z", "noise")),
    )


def _evidence(networks: Family, batch: Batch, input_gradient: InputGradient) -> Tensor:
    """Return the negative evidence lower bound: ‖x − G(w)‖² summed over pixels, plus KL(q(w | x) ‖ p(w)); mean over x.

    This means that pixels have the variance ½ about G(w). q(w | x) is sampled with the update's z.
    """
    mean, log_variance = (encode(networks, batch.images, batch, by=network) for network in "EV")
    w = mean + ops.exp(log_variance / 2) * batch.draws.z
    distance = squared_distance(batch.images, generate(networks, w, batch), mean=False)
    return distance + divergence_from_prior(mean, log_variance)


def _critic(config: Config, networks: Family, batch: Batch, input_gradient: InputGradient) -> Tensor:
    """Return C's loss on pairs, with R1 on the gradient with respect to real images at constant E(x)."""
    w = networks.F(batch.draws.z)
    fake, code = (
        ops.stop_gradient(each) for each in (generate(networks, w, batch), encode(networks, batch.images, batch))
    )
    return discriminator_loss_with_r1(
        config,
        batch,
        lambda images: _pair_logits(networks, images, code, batch),
        batch.images,
        _pair_logits(networks, fake, w, batch),
        input_gradient,
    )


def _generator_and_encoder(config: Config, networks: Family, batch: Batch, input_gradient: InputGradient) -> Tensor:
    """Return the loss that raises C's logits on generated pairs by G, and lowers them on encoded pairs by E."""
    objective, w = objective_of(config), networks.F(batch.draws.z)
    generated = _pair_logits(networks, generate(networks, w, batch), w, batch)
    encoded = _pair_logits(networks, batch.images, encode(networks, batch.images, batch), batch)
    if objective.fake is None:
        return generator_loss(objective, generated, encoded)
    return generator_loss(objective, generated, None) + generator_loss(objective, -encoded, None)


def _pair_logits(networks: Family, images: Tensor, w: Tensor, batch: Batch) -> Tensor:
    """Return C's logit of each pair of an image and its w, (batch,)."""
    return networks["C"](ops.concatenate([encode(networks, images, batch, by="X"), w], axis=-1))
