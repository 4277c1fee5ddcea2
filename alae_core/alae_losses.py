"""Algorithm 1 of the paper: ALAE's discriminator, generator and reciprocity updates, and their losses."""

from functools import partial

from keras import ops

from alae_core.config import Config
from alae_core.framework import InputGradient, Tensor
from alae_core.losses import generator_loss, gradient_penalty, objective_of, squared_distance
from alae_core.networks.family import Family
from alae_core.updates import (
    Batch,
    Update,
    adams_of,
    apply_augmentation,
    discriminator_loss_with_r1,
    encode,
    generate,
    judge,
    make_constant_images,
    map_to_w,
    measure_separation,
    pixel_distance,
    pixel_loss,
    sample_styles,
    score,
)


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
        separation=measure_separation,
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


def _discriminator(config: Config, networks: Family, batch: Batch, input_gradient: InputGradient) -> Tensor:
    w, fake = make_constant_images(networks, batch)
    seen = apply_augmentation(networks, fake, batch)
    codes, fake_logits, penalty = _judge_fake(config, networks, seen, batch, input_gradient)
    real = apply_augmentation(networks, batch.images, batch)
    loss = discriminator_loss_with_r1(
        config, batch, lambda images: score(networks, images, batch), real, fake_logits, input_gradient
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
        logits, gradient = input_gradient(lambda images: score(networks, images, batch), images)
        return None, logits, gradient_penalty(gradient, config.r2_gamma)
    codes, logits = judge(networks, images, batch)
    return codes, logits, None


def _generator(config: Config, networks: Family, batch: Batch, input_gradient: InputGradient) -> Tensor:
    objective, w = objective_of(config), sample_styles(networks, batch)
    fake = generate(networks, w, batch)
    codes, fake_logits = judge(networks, apply_augmentation(networks, fake, batch), batch)
    real_logits = None
    if objective.fake is None:
        real_logits = score(networks, apply_augmentation(networks, batch.images, batch), batch)
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
        w = map_to_w(networks, batch.draws.z, batch)
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
        w = map_to_w(networks, batch.draws.z, batch)
        loss += _distance_of_codes(config, batch, w, encode(networks, generate(networks, w, batch), batch))
    if _closes_in_images(config):
        loss += pixel_distance(config, networks, batch)
    return loss
