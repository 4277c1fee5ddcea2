"""Algorithm 1 of the paper as data: which loss, which networks it trains, with whose Adam moments."""

from collections.abc import Callable, Mapping
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
    """What one update sees: images (batch, H, W, C) in [−1, 1], its own z (batch, z), one-hot labels or None."""

    images: Tensor
    z: Tensor
    labels: Tensor | None = None


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
    closes_latent = config.reciprocity in ("latent", "both")
    trained = {
        "discriminator": "ED",
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
    fake = ops.stop_gradient(_generate(alae, alae.F(batch.z), batch.labels))
    fake_logits = alae.D(_encode(alae, fake, batch.labels))

    def score(images: Tensor) -> Tensor:
        return alae.D(_encode(alae, images, batch.labels))

    if config.r1_gamma == 0:
        return discriminator_loss(objective, score(batch.images), fake_logits)
    real_logits, image_gradient = input_gradient(score, batch.images)
    return discriminator_loss(objective, real_logits, fake_logits) + r1_penalty(image_gradient, config.r1_gamma)


def _generator(config: Config, alae: "Alae", batch: Batch, input_gradient: InputGradient) -> Tensor:
    fake = _generate(alae, alae.F(batch.z), batch.labels)
    return generator_loss(OBJECTIVES[config.objective], alae.D(_encode(alae, fake, batch.labels)))


def _reciprocity(config: Config, alae: "Alae", batch: Batch, input_gradient: InputGradient) -> Tensor:
    official = config.updates == "official"
    loss = 0.0
    if config.reciprocity in ("latent", "both"):
        w = alae.F(batch.z)
        target = ops.stop_gradient(w) if official else w
        loss += squared_distance(target, _encode(alae, _generate(alae, w, batch.labels), batch.labels), mean=official)
    if config.reciprocity in ("data", "both"):
        reconstruction = _generate(alae, _encode(alae, batch.images, batch.labels), batch.labels)
        loss += squared_distance(batch.images, reconstruction, mean=official)
    return loss


def _generate(alae: "Alae", w: Tensor, labels: Tensor | None) -> Tensor:
    return alae.G(w if labels is None else [w, labels])


def _encode(alae: "Alae", images: Tensor, labels: Tensor | None) -> Tensor:
    return alae.E(images if labels is None else [images, labels])
