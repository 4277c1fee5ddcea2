"""Algorithm 1 of the paper as data: which loss, which networks it trains, with whose Adam moments."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from keras import ops

from alae_core.config import Config
from alae_core.losses import OBJECTIVES, discriminator_loss, generator_loss, r1_penalty, squared_distance

if TYPE_CHECKING:
    from alae_core.model import Alae

Tensor = Any
# (fn, x) -> (fn(x), d sum(fn(x)) / dx), itself differentiable: the one thing a loss needs that Keras lacks.
InputGradient = Callable[[Callable[[Tensor], Tensor], Tensor], tuple[Tensor, Tensor]]


class Batch(NamedTuple):
    """What one update sees, as tensors.

    Attributes:
        images: (batch, H, W, C) in [−1, 1]; for style networks of the level's resolution, which says what the level is.
        z: the update's own (batch, z).
        labels: one-hot (batch, classes), for a model with labels.
        mix, cutoff, noise: the update's own `latents.Draws`, for style networks.
        blend: how far the level has faded in, a scalar, for style networks.
    """

    images: Tensor
    z: Tensor
    labels: Tensor | None = None
    mix: Tensor | None = None
    cutoff: Tensor | None = None
    noise: Sequence[Tensor] | None = None
    blend: Tensor | None = None


@dataclass(frozen=True)
class Update:
    """One update of a training step.

    Attributes:
        name: "discriminator", "generator" or "reciprocity".
        loss: the scalar to lower, given the model, the batch and the backend's `input_gradient`.
        trains: for each network that moves, the name of the Adam whose moments it uses. Any other network takes no
            optimizer step: neither its weights nor its moments change by a single bit.
    """

    name: str
    loss: Callable[["Alae", Batch, InputGradient], Tensor]
    trains: Mapping[str, str]


def updates_of(config: Config) -> tuple[Update, ...]:
    """The updates of one training step, in order; each sees a z of its own (paper, Algorithm 1).

    *paper*: one Adam per update; reciprocity sums over w and leaves F alone. *official* (the authors' code): one Adam
    for E and D and one for F and G, shared by all updates; reciprocity averages over w, takes F(z) as a constant
    target, yet trains F through G(F(z)).
    """
    official = config.updates == "official"
    # In data space F takes no part in the loss, so neither preset can train it there.
    closes_latent = config.reciprocity in ("latent", "both", "z")
    trained = {
        "discriminator": "ED" if config.networks.discriminator == "latent" else "D",
        "generator": "FG",
        "reciprocity": "EGF" if official and closes_latent else "EG",
    }
    losses = {"discriminator": _discriminator, "generator": _generator, "reciprocity": _reciprocity}
    if config.reciprocity == "none":
        del losses["reciprocity"]
    shared_adam = {"E": "encoder", "D": "encoder", "F": "decoder", "G": "decoder"}
    return tuple(
        Update(
            name,
            partial(loss, config),
            {network: shared_adam[network] if official else name for network in trained[name]},
        )
        for name, loss in losses.items()
    )


def _discriminator(config: Config, alae: "Alae", batch: Batch, input_gradient: InputGradient) -> Tensor:
    objective = OBJECTIVES[config.objective]
    fake = ops.stop_gradient(_generate(alae, _styles(alae, batch), batch))
    fake_logits = _score(alae, fake, batch)
    if config.r1_gamma == 0:
        return discriminator_loss(objective, _score(alae, batch.images, batch), fake_logits)
    real_logits, image_gradient = input_gradient(lambda images: _score(alae, images, batch), batch.images)
    return discriminator_loss(objective, real_logits, fake_logits) + r1_penalty(image_gradient, config.r1_gamma)


def _generator(config: Config, alae: "Alae", batch: Batch, input_gradient: InputGradient) -> Tensor:
    fake = _generate(alae, _styles(alae, batch), batch)
    return generator_loss(OBJECTIVES[config.objective], _score(alae, fake, batch))


def _reciprocity(config: Config, alae: "Alae", batch: Batch, input_gradient: InputGradient) -> Tensor:
    official = config.updates == "official"
    loss = 0.0
    if config.reciprocity in ("latent", "both", "z"):
        w = alae.F(batch.z)
        code = batch.z if config.reciprocity == "z" else w
        target = ops.stop_gradient(code) if official else code
        loss += squared_distance(target, _encode(alae, _generate(alae, w, batch), batch), mean=official)
    if config.reciprocity in ("data", "both"):
        reconstruction = _generate(alae, _encode(alae, batch.images, batch), batch)
        loss += squared_distance(batch.images, reconstruction, mean=official)
    return loss


def _styles(alae: "Alae", batch: Batch) -> Tensor:
    """w = F(z), (batch, w); with style mixing a style for each layer, (batch, layers, w)."""
    w = alae.F(batch.z)
    if batch.mix is None or batch.noise is None:
        return w
    layers = ops.arange(len(batch.noise))[None, :, None]
    return ops.where(layers < batch.cutoff, w[:, None], alae.F(batch.mix)[:, None])


def _generate(alae: "Alae", w: Tensor, batch: Batch) -> Tensor:
    if alae.is_style:
        return alae.G(w, noise=batch.noise, **_level(alae, batch))
    return alae.G(w if batch.labels is None else [w, batch.labels])


def _encode(alae: "Alae", images: Tensor, batch: Batch) -> Tensor:
    return alae.E(images if batch.labels is None else [images, batch.labels], **_level(alae, batch))


def _score(alae: "Alae", images: Tensor, batch: Batch) -> Tensor:
    """The logit of each image: D(E(x)), or D(x) where D looks at images."""
    if alae.config.networks.discriminator == "images":
        return alae.D(images, **_level(alae, batch))
    return alae.D(_encode(alae, images, batch))


def _level(alae: "Alae", batch: Batch) -> dict[str, Any]:
    return {"lod": alae.level_of(batch.images), "blend": batch.blend} if alae.is_style else {}
