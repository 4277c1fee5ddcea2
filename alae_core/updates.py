"""Algorithm 1 of the paper as data: each update's loss, the networks it trains and their Adams, and its draws."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from keras import ops

from alae_core.algorithms import find_algorithm
from alae_core.augment import augment_images
from alae_core.config import Config
from alae_core.draws import Draw, Draws
from alae_core.framework import InputGradient, Tensor
from alae_core.losses import OBJECTIVES, discriminator_loss, generator_loss, gradient_penalty, squared_distance
from alae_core.networks.family import Family


class Batch(NamedTuple):
    """The inputs of one update's loss, as tensors. Unused ones are None.

    Attributes:
        images: (batch, H, W, C) in [−1, 1]; for networks with levels their resolution selects the level.
        labels: one-hot (batch, classes), for a model with labels.
        draws: the update's own draws.
        blend: how far the level has faded in, a scalar in 0 … 1, for networks with levels.
        augment_p: the probability of each transformation that augments images, a scalar in 0 … 1.
        r1_gamma: γ of R1 at this step, a scalar, if `config.schedule` changes it.
    """

    images: Tensor
    labels: Tensor | None = None
    draws: Draws = Draws(None)
    blend: Tensor | None = None
    augment_p: Tensor | None = None
    r1_gamma: Tensor | None = None


@dataclass(frozen=True)
class Update:
    """One update of a training step.

    Attributes:
        name: the name of its draws, moments and losses, such as "discriminator".
        symbol: one or two letters for narrow tables, such as "D".
        loss: the scalar to minimise, a function of the networks, the batch and the backend's `input_gradient`.
        trains: the name of the Adam for each network that the update trains, by network. The weights and moments of
            other networks stay bit for bit the same.
        draws: the kinds of its draws. Styles are mixed and noise drawn only for networks with styles, and images
            augmented only if configured.
        moves_w_mean: whether this update's F(z) moves the running mean of w, if the model has one, before the update.
        separation: how well D separates real from generated images, −1 … 1, a function of the networks and the batch.
            An adaptive p of augmentation is adjusted by it before the update. None if this update does not adjust p.
        every: the update is done at every k-th step, from step 0.
    """

    name: str
    symbol: str
    loss: Callable[[Family, Batch, InputGradient], Tensor]
    trains: Mapping[str, str]
    draws: tuple[Draw, ...] = ("z", "mix", "noise", "augment")
    moves_w_mean: bool = True
    separation: Callable[[Family, Batch], Tensor] | None = None
    every: int = 1


def updates_of(config: Config) -> tuple[Update, ...]:
    """Return the updates of one training step of `config.algorithm`, in order.

    Raises ConfigError if the algorithm is unknown.
    """
    return find_algorithm(config.algorithm).load_updates()(config)


def alae_updates(config: Config) -> tuple[Update, ...]:
    """Return ALAE's updates, each with its own z (paper, Algorithm 1).

    The discriminator update trains E and D, the generator update F and G, and reciprocity E, G and, if configured, F.
    With `updates.reciprocity: adversarial`, the loop in w is a term of the first two, and the loop in images an update
    `pixels`, which trains E and G. Where the paper and the authors' code differ, `config.updates` decides;
    docs/deviations.md lists the differences.
    """
    choices = config.updates
    uses_E = config.networks.discriminator == "latent" or _closes_in_adversarial_updates(config)
    D = Update(
        "discriminator",
        "D",
        partial(_discriminator, config),
        adams_of(config, "discriminator", "ED" if uses_E else "D"),
        separation=separation,
    )
    G = Update("generator", "G", partial(_generator, config), adams_of(config, "generator", "FG"))
    if config.reciprocity == "none":
        return D, G
    if choices.reciprocity == "own":
        # In data space, the loss does not involve F.
        trains_F = choices.trains_F and _closes_in_codes(config)
        adams = adams_of(config, "reciprocity", "EGF" if trains_F else "EG")
        loss = partial(_reciprocity, config)
        return D, G, Update("reciprocity", "R", loss, adams, draws=("z", "noise"), every=choices.every)
    if not _closes_in_images(config):
        return D, G
    adams = adams_of(config, "pixels", "EG")
    loss = partial(pixel_loss, config)
    return D, G, Update("pixels", "P", loss, adams, draws=("noise",), moves_w_mean=False, every=choices.every)


def _closes_in_codes(config: Config) -> bool:
    """Whether reciprocity compares F(z), or z, with E(G(F(z)))."""
    return config.reciprocity in ("latent", "both", "z")


def _closes_in_images(config: Config) -> bool:
    """Whether reciprocity compares x with G(E(x))."""
    return config.reciprocity in ("data", "both")


def _closes_in_adversarial_updates(config: Config) -> bool:
    """Whether the loop in w (or z) is a term of the adversarial losses."""
    return _closes_in_codes(config) and config.updates.reciprocity == "adversarial"


def adams_of(config: Config, update: str, networks: str) -> dict[str, str]:
    """Return the Adam's name for each of an update's networks: the update's own Adam, or one of two shared by all."""
    if config.updates.adam == "own":
        return dict.fromkeys(networks, update)
    return {network: "decoder" if network in "FG" else "encoder" for network in networks}


def _discriminator(config: Config, networks: Family, batch: Batch, input_gradient: InputGradient) -> Tensor:
    w, fake = _make_constant_fake(networks, batch)
    codes, fake_logits, penalty = _judge_fake(config, networks, _augment(networks, fake, batch), batch, input_gradient)
    real = _augment(networks, batch.images, batch)
    loss = discriminator_loss_with_r1(
        config, batch, lambda images: _score(networks, images, batch), real, fake_logits, input_gradient
    )
    if penalty is not None:
        loss += penalty
    if _closes_in_adversarial_updates(config):
        loss += _loop_term(config, networks, batch, w, fake, codes, trains_F=True)
    return loss


def _judge_fake(
    config: Config, networks: Family, images: Tensor, batch: Batch, input_gradient: InputGradient
) -> tuple[Tensor | None, Tensor, Tensor | None]:
    """Return E(x), if it can be reused, D(E(x)), and R2, if there is one, of generated images as D∘E sees them."""
    if config.r2_gamma:
        logits, gradient = input_gradient(lambda images: _score(networks, images, batch), images)
        return None, logits, gradient_penalty(gradient, config.r2_gamma)
    codes, logits = _judge(networks, images, batch)
    return codes, logits, None


def _judge(networks: Family, images: Tensor, batch: Batch) -> tuple[Tensor | None, Tensor]:
    return networks.judge(images, labels=batch.labels, **_level(networks, batch))


def discriminator_loss_with_r1(
    config: Config,
    batch: Batch,
    score: Callable[[Tensor], Tensor],
    real: Tensor,
    fake_logits: Tensor,
    input_gradient: InputGradient,
) -> Tensor:
    """Return a discriminator's loss with R1, from its score of images, real images and its logits on generated ones."""
    objective = OBJECTIVES[config.objective]
    gamma = config.r1_gamma if batch.r1_gamma is None else batch.r1_gamma
    if batch.r1_gamma is None and config.r1_gamma == 0:
        return discriminator_loss(objective, score(real), fake_logits)
    real_logits, image_gradient = input_gradient(score, real)
    return discriminator_loss(objective, real_logits, fake_logits) + gradient_penalty(image_gradient, gamma)


def _generator(config: Config, networks: Family, batch: Batch, input_gradient: InputGradient) -> Tensor:
    objective, w = OBJECTIVES[config.objective], _styles(networks, batch)
    fake = generate(networks, w, batch)
    codes, fake_logits = _judge(networks, _augment(networks, fake, batch), batch)
    real_logits = None
    if objective.fake is None:
        real_logits = _score(networks, _augment(networks, batch.images, batch), batch)
    loss = generator_loss(objective, fake_logits, real_logits)
    if _closes_in_adversarial_updates(config):
        loss += _loop_term(config, networks, batch, w, fake, codes, trains_F=config.updates.trains_F)
    return loss


def _loop_term(
    config: Config,
    networks: Family,
    batch: Batch,
    w: Tensor,
    fake: Tensor,
    codes: Tensor | None,
    *,
    trains_F: bool,
) -> Tensor:
    """Return the loop in w (or z) as a term of an adversarial loss.

    The loss's own w, G(w) and E(G(w)) are reused unless styles are mixed, images augmented, or F gets no gradient.
    """
    if batch.draws.mix is not None or not trains_F:
        w = networks.F(batch.draws.z)
        w = w if trains_F else ops.stop_gradient(w)
        fake, codes = generate(networks, w, batch), None
    if codes is None or batch.draws.augment is not None:
        codes = encode(networks, fake, batch)
    return _distance_of_codes(config, batch, w, codes)


def _distance_of_codes(config: Config, batch: Batch, w: Tensor, estimate: Tensor) -> Tensor:
    """weight · ‖F(z) − E(G(F(z)))‖², averaged over the batch; z instead of F(z) if `config.reciprocity` is z."""
    choices = config.updates
    code = batch.draws.z if config.reciprocity == "z" else w
    target = ops.stop_gradient(code) if choices.target == "constant" else code
    distance = squared_distance(target, estimate, mean=choices.distance == "mean")
    return distance if choices.weight == 1 else choices.weight * distance


def _reciprocity(config: Config, networks: Family, batch: Batch, input_gradient: InputGradient) -> Tensor:
    loss = 0.0
    if _closes_in_codes(config):
        w = networks.F(batch.draws.z)
        loss += _distance_of_codes(config, batch, w, encode(networks, generate(networks, w, batch), batch))
    if _closes_in_images(config):
        loss += pixel_distance(config, networks, batch)
    return loss


def pixel_loss(config: Config, networks: Family, batch: Batch, input_gradient: InputGradient) -> Tensor:
    """Return `pixel_distance` as the loss of an update."""
    return pixel_distance(config, networks, batch)


def pixel_distance(config: Config, networks: Family, batch: Batch) -> Tensor:
    """‖x − G(E(x))‖², averaged over the batch; over pixels summed or averaged by `config.updates.distance`."""
    reconstruction = generate(networks, encode(networks, batch.images, batch), batch)
    return squared_distance(batch.images, reconstruction, mean=config.updates.distance == "mean")


def separation(networks: Family, batch: Batch) -> Tensor:
    """Measure how well D separates the batch's real and generated images, both augmented: 2 · AUC − 1, a scalar.

    Computed as the fraction of rows in which the real image has the higher logit, minus the fraction in which the
    generated image has.
    """
    real = _score(networks, _augment(networks, batch.images, batch), batch)
    return ops.sum(ops.sign(real - _fake_logits(networks, batch))) / real.shape[0]


def _fake_logits(networks: Family, batch: Batch) -> Tensor:
    """Return D's logits on augmented generated images, without gradients for G and F."""
    _, fake = _make_constant_fake(networks, batch)
    return _score(networks, _augment(networks, fake, batch), batch)


def _make_constant_fake(networks: Family, batch: Batch) -> tuple[Tensor, Tensor]:
    """Return w (or styles), and generated images without gradients for G and F."""
    w = _styles(networks, batch)
    return w, ops.stop_gradient(generate(networks, w, batch))


def _augment(networks: Family, images: Tensor, batch: Batch) -> Tensor:
    """Augment images as D∘E sees them in the adversarial updates."""
    choice = networks.config.augment
    if choice is None or batch.draws.augment is None:
        return images
    return augment_images(images, batch.draws.augment, batch.augment_p, choice.transforms)


def _styles(networks: Family, batch: Batch) -> Tensor:
    """w = F(z), (batch, w); with style mixing a style for each layer, (batch, layers, w)."""
    w = networks.F(batch.draws.z)
    if batch.draws.mix is None or batch.draws.noise is None:
        return w
    layers = ops.arange(len(batch.draws.noise))[None, :, None]
    return ops.where(layers < batch.draws.cutoff, w[:, None], networks.F(batch.draws.mix)[:, None])


def generate(networks: Family, w: Tensor, batch: Batch) -> Tensor:
    """G(w) at the batch's level of detail, with its labels and noise."""
    return networks.generate(w, labels=batch.labels, noise=batch.draws.noise, **_level(networks, batch))


def encode(networks: Family, images: Tensor, batch: Batch, by: str = "E") -> Tensor:
    """E(x), or the output of another network of E's shape, at the batch's level of detail."""
    return networks.encode(images, by=by, labels=batch.labels, **_level(networks, batch))


def _score(networks: Family, images: Tensor, batch: Batch) -> Tensor:
    return networks.score(images, labels=batch.labels, **_level(networks, batch))


def _level(networks: Family, batch: Batch) -> dict[str, Any]:
    return {"lod": networks.level_of(batch.images), "blend": batch.blend}
