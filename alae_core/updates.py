"""Updates as data, each with a loss, the networks that it trains, their Adams and its draws; and the parts of losses.

The functions below apply the networks to an update's batch, at its level of detail, with its labels, noise and
augmentation. ALAE's own losses (`alae_losses.py`), those of other algorithms (`baselines.py`) and of plug-ins
(docs/your-own.md) are made of them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from keras import ops

from alae_core.augment import augment_images
from alae_core.config import Config
from alae_core.draws import Draw, Draws
from alae_core.framework import InputGradient, Tensor
from alae_core.lookup import find_algorithm
from alae_core.losses import discriminator_loss, gradient_penalty, objective_of, squared_distance
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
    return find_algorithm(config.algorithm, config.plugins).load_updates()(config)


def adams_of(config: Config, update: str, networks: str) -> dict[str, str]:
    """Return the Adam's name for each of an update's networks: the update's own Adam, or one of two shared by all."""
    if config.updates.adam == "own":
        return dict.fromkeys(networks, update)
    return {network: "decoder" if network in "FG" else "encoder" for network in networks}


def map_to_w(networks: Family, z: Tensor, batch: Batch) -> Tensor:
    """w = F(z), (batch, w), with the batch's labels."""
    return networks.map(z, labels=batch.labels)


def sample_styles(networks: Family, batch: Batch) -> Tensor:
    """w = F(z), (batch, w), of the batch's z; with style mixing a style for each layer, (batch, layers, w)."""
    w = map_to_w(networks, batch.draws.z, batch)
    if batch.draws.mix is None or batch.draws.noise is None:
        return w
    layers = ops.arange(len(batch.draws.noise))[None, :, None]
    return ops.where(layers < batch.draws.cutoff, w[:, None], map_to_w(networks, batch.draws.mix, batch)[:, None])


def generate(networks: Family, w: Tensor, batch: Batch) -> Tensor:
    """G(w), (batch, H, W, C), with the batch's labels and noise; `w` as from `sample_styles`."""
    return networks.generate(w, labels=batch.labels, noise=batch.draws.noise, **_level(networks, batch))


def encode(networks: Family, images: Tensor, batch: Batch, by: str = "E") -> Tensor:
    """E(x), (batch, w), or the output of another network of E's shape, with the batch's labels."""
    return networks.encode(images, by=by, labels=batch.labels, **_level(networks, batch))


def score(networks: Family, images: Tensor, batch: Batch) -> Tensor:
    """D's logit of each image, (batch,): D(E(x)), or D(x) if D judges images; above 0 means real."""
    return networks.score(images, labels=batch.labels, **_level(networks, batch))


def judge(networks: Family, images: Tensor, batch: Batch) -> tuple[Tensor | None, Tensor]:
    """Return E(x), (batch, w), or None if D judges images; and the logits of `score`."""
    return networks.judge(images, labels=batch.labels, **_level(networks, batch))


def apply_augmentation(networks: Family, images: Tensor, batch: Batch) -> Tensor:
    """Augment images as D∘E sees them in the adversarial updates; without `config.augment`, return them unchanged.

    Apply it to real and to generated images before `score`, or generated images learn to look augmented.
    """
    choice = networks.config.augment
    if choice is None or batch.draws.augment is None:
        return images
    return augment_images(images, batch.draws.augment, batch.augment_p, choice.transforms)


def make_constant_images(networks: Family, batch: Batch) -> tuple[Tensor, Tensor]:
    """Return w (or styles), and generated images without gradients for G and F."""
    w = sample_styles(networks, batch)
    return w, ops.stop_gradient(generate(networks, w, batch))


def measure_separation(networks: Family, batch: Batch) -> Tensor:
    """Measure how well D separates the batch's real and generated images, both augmented: 2 · AUC − 1, a scalar.

    Computed as the fraction of rows in which the real image has the higher logit, minus the fraction in which the
    generated image has.
    """
    real = score(networks, apply_augmentation(networks, batch.images, batch), batch)
    _, fake = make_constant_images(networks, batch)
    difference = real - score(networks, apply_augmentation(networks, fake, batch), batch)
    return ops.sum(ops.sign(difference)) / real.shape[0]


def discriminator_loss_with_r1(
    config: Config,
    batch: Batch,
    score: Callable[[Tensor], Tensor],
    real: Tensor,
    fake_logits: Tensor,
    input_gradient: InputGradient,
) -> Tensor:
    """Return a discriminator's loss with R1, from its score of images, real images and its logits on generated ones."""
    objective = objective_of(config)
    gamma = config.r1_gamma if batch.r1_gamma is None else batch.r1_gamma
    if batch.r1_gamma is None and config.r1_gamma == 0:
        return discriminator_loss(objective, score(real), fake_logits)
    real_logits, image_gradient = input_gradient(score, real)
    return discriminator_loss(objective, real_logits, fake_logits) + gradient_penalty(image_gradient, gamma)


def pixel_loss(config: Config, networks: Family, batch: Batch, input_gradient: InputGradient) -> Tensor:
    """Return `pixel_distance` as the loss of an update."""
    return pixel_distance(config, networks, batch)


def pixel_distance(config: Config, networks: Family, batch: Batch) -> Tensor:
    """‖x − G(E(x))‖², averaged over the batch; over pixels summed or averaged by `config.updates.distance`."""
    reconstruction = generate(networks, encode(networks, batch.images, batch), batch)
    return squared_distance(batch.images, reconstruction, mean=config.updates.distance == "mean")


def _level(networks: Family, batch: Batch) -> dict[str, Any]:
    return {"lod": networks.level_of(batch.images), "blend": batch.blend}
