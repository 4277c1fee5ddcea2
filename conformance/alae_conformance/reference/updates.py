"""The loss and gradient of each update of ALAE (paper, Algorithm 1), derived by hand."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np

from alae_conformance.reference import mlp, style
from alae_conformance.reference.augment import Augmentation, augmentation
from alae_conformance.reference.layers import Array, Gradients, Pair, Trace, Weights
from alae_conformance.reference.losses import OBJECTIVES
from alae_core.config import Config


class Batch(NamedTuple):
    """The inputs of one update.

    Attributes:
        images: real images (batch, H, W, C).
        z: the update's own z (batch, z).
        labels: one-hot (batch, classes), or None.
        mix: a second z (batch, z), for the styles of the layers from `cutoff` on; or None.
        noise: for style networks, a map for each layer.
        blend: for style networks, how far the level has faded in.
        augment: the random numbers (batch, 16) of augmentation, or None.
        p: the probability of each transformation of augmentation.
    """

    images: Array
    z: Array
    labels: Array | None = None
    mix: Array | None = None
    cutoff: int | None = None
    noise: Sequence[Array] | None = None
    blend: float = 1.0
    augment: Array | None = None
    p: float = 0.0


class Updates:
    """The networks of one configuration, and each update's loss; weights have the names of a checkpoint.

    Attributes:
        kinds: the kind of each network, by name.
        critic: the name of the network that outputs logits, or None.
    """

    kinds: ClassVar[Mapping[str, str]] = {"F": "F", "G": "G", "E": "E", "D": "D"}
    critic: ClassVar[str | None] = "D"

    def __init__(self, config: Config) -> None:
        family: Any = {"mlp": mlp, "style": style}[config.networks.family]
        self.config = config
        self.networks: dict[str, Any] = family.build(config, self.kinds)
        self.shapes: dict[str, tuple[int, ...]] = family.shapes(config, self.kinds)
        self.scales: dict[str, float] = dict.fromkeys(self.shapes, 1.0) | family.scales(self.networks)
        self.objective = OBJECTIVES[config.objective]
        self.gamma = config.r1_gamma

    # ---- losses and their gradients ----------------------------------------------------------------------------

    def differentiate(self, update: str, weights: Weights, batch: Batch) -> tuple[float, Gradients]:
        """Compute the loss of one update, and its gradient for each weight that it trains at the batch's level."""
        loss, gradients = getattr(self, update)(weights, batch)
        trained = self.trains()[update]
        return loss, {name: gradients[name] for name in weights if name[0] in trained and name in gradients}

    def discriminator(self, weights: Weights, batch: Batch) -> tuple[float, Gradients]:
        """mean fake(D(E(G(F(z))))) + mean real(D(E(x))) + γ/2 · mean ‖∇ₓD(E(x))‖²."""
        n = len(batch.images)

        images = self.generate(weights, self.styles(weights, batch)[1], batch).output.value
        d = self.score(weights, self.augment(images, batch), batch)
        fake, slope = self.objective.fake(d.output.value)
        _, gradients = d.pull(Pair(slope / n))

        # The penalty is γ/2n · Σ g·g. With v = g held constant, its gradient is γ/n · ∇_θ Σ v·g = γ/n · ∇_θ Σ ṡ.
        batch = batch._replace(images=self.augment(batch.images, batch))
        _, g = self.input_gradient(weights, batch)
        d = self.score(weights, batch.images, batch, g)
        real, slope = self.objective.real(d.output.value)
        _, penalised = d.pull(Pair(slope / n, np.full(n, self.gamma / n)))

        loss = fake.mean() + real.mean() + self.gamma / 2 * (g * g).sum() / n
        return loss, add(gradients, penalised)

    def input_gradient(self, weights: Weights, batch: Batch) -> tuple[Array, Array]:
        """D(E(x)), shape (batch,), and the gradient of its sum with respect to x."""
        d = self.score(weights, batch.images, batch)
        back, _ = d.pull(Pair(np.ones(len(batch.images))))
        return d.output.value, back.value

    def score(self, weights: Weights, images: Array, batch: Batch, direction: Array | None = None) -> Trace:
        """Compute the logits (batch,) of images by D∘E, or by a D on images."""
        E, D = self.networks["E"], self.networks["D"]
        if self.config.networks.discriminator == "images":
            d = D.forward(weights, images, direction, blend=batch.blend)
            return Trace(d.output, d.pull)
        e = self.encode(weights, images, batch, direction)
        d = D.forward(weights, e.output.value, e.output.tangent)

        def pull(adjoint: Pair) -> tuple[Pair, Gradients]:
            back, d_gradients = D.backward(weights, d, adjoint.value, adjoint.tangent)
            back, e_gradients = E.backward(weights, e, back.value, back.tangent)
            return back, d_gradients | e_gradients

        return Trace(d.output, pull)

    def generator(self, weights: Weights, batch: Batch) -> tuple[float, Gradients]:
        """mean generator(D(E(G(F(z)))))."""
        G = self.networks["G"]
        f, w = self.styles(weights, batch)
        g = self.generate(weights, w, batch)
        d = self.score(weights, self.augment(g.output.value, batch), batch)
        terms, slope = self.objective.generator(d.output.value)
        back, _ = d.pull(Pair(slope / len(terms)))
        back, g_gradients = G.backward(weights, g, self.augment_backward(back.value, batch))
        return terms.mean(), g_gradients | self.styles_backward(weights, f, batch, back.value)

    def reciprocity(self, weights: Weights, batch: Batch) -> tuple[float, Gradients]:
        """mean ‖F(z) − E(G(F(z)))‖², or ‖x − G(E(x))‖², or both; or ‖z − E(G(F(z)))‖².

        F is trained through G and, unless the target is constant, through the target: d‖e − f‖²/df = −d‖e − f‖²/de. A
        target z has no gradient.
        """
        F, G, E = (self.networks[name] for name in "FGE")
        loss, gradients = 0.0, Gradients()
        if self.config.reciprocity in ("latent", "both", "z"):
            f = F.forward(weights, batch.z)
            g = self.generate(weights, f.output.value, batch)
            e = self.encode(weights, g.output.value, batch)
            of_z = self.config.reciprocity == "z"
            distance, slope = self.distance(batch.z if of_z else f.output.value, e.output.value)
            back, e_gradients = E.backward(weights, e, slope)
            back, g_gradients = G.backward(weights, g, back.value)
            by_f = back.value if of_z or self.config.updates.target == "constant" else back.value - slope
            _, f_gradients = F.backward(weights, f, by_f)
            loss, gradients = loss + distance, add(gradients, e_gradients | g_gradients | f_gradients)
        if self.config.reciprocity in ("data", "both"):
            distance, found = self.pixels(weights, batch)
            loss, gradients = loss + distance, add(gradients, found)
        return loss, gradients

    def pixels(self, weights: Weights, batch: Batch) -> tuple[float, Gradients]:
        """mean ‖x − G(E(x))‖²."""
        e = self.encode(weights, batch.images, batch)
        g = self.generate(weights, e.output.value, batch)
        distance, slope = self.distance(batch.images, g.output.value)
        back, g_gradients = self.networks["G"].backward(weights, g, slope)
        _, e_gradients = self.networks["E"].backward(weights, e, back.value)
        return distance, e_gradients | g_gradients

    def distance(self, target: Array, estimate: Array) -> tuple[float, Array]:
        """‖target − estimate‖² averaged over the batch, and its derivative with respect to the estimate.

        The configuration chooses whether other axes are summed or averaged.
        """
        difference = estimate - target
        share = 1 / len(target) if self.config.updates.distance == "sum" else 1 / target.size
        return (difference * difference).sum() * share, 2 * share * difference

    # ---- augmentation --------------------------------------------------------------------------------------------

    def augment(self, images: Array, batch: Batch) -> Array:
        """Augment images as D∘E sees them, if the batch has random numbers for it."""
        found = self.augmentation(images.shape[1:], batch)
        return images if found is None else found.apply(images)

    def augment_backward(self, adjoint: Array, batch: Batch) -> Array:
        """Propagate the adjoint of `augment` to the images."""
        found = self.augmentation(adjoint.shape[1:], batch)
        return adjoint if found is None else found.backward(adjoint)

    def augmentation(self, shape: Any, batch: Batch) -> Augmentation | None:
        """Return the augmentation of images of a shape (H, W, C), or None."""
        if self.config.augment is None or batch.augment is None:
            return None
        return augmentation(batch.augment, batch.p, self.config.augment.transforms, shape)

    # ---- the networks at a batch's level of detail ---------------------------------------------------------------

    def encode(
        self, weights: Weights, images: Array, batch: Batch, direction: Array | None = None, by: str = "E"
    ) -> Any:
        """Encode images by E or a network of its shape, with the derivative along `direction` if one is given."""
        given = {"labels": batch.labels} if self.config.growth is None else {"blend": batch.blend}
        return self.networks[by].forward(weights, images, direction, **given)

    def generate(self, weights: Weights, w: Array, batch: Batch) -> Any:
        """Generate images from w, or from a style for each layer."""
        given: dict[str, Any] = {"labels": batch.labels}
        if self.config.growth is not None:
            given = {"noise": batch.noise, "blend": batch.blend}
        return self.networks["G"].forward(weights, w, **given)

    def styles(self, weights: Weights, batch: Batch) -> tuple[Any, Array]:
        """Map z, and a second z if styles are mixed; returns F's trace, and w or a style for each layer."""
        F = self.networks["F"]
        if batch.mix is None:
            f = F.forward(weights, batch.z)
            return f, f.output.value
        f = F.forward(weights, np.concatenate([batch.z, batch.mix]))
        own, other = np.split(f.output.value, 2)
        return f, np.where(self.keeps(batch), own[:, None], other[:, None])

    def styles_backward(self, weights: Weights, f: Any, batch: Batch, adjoint: Array) -> Gradients:
        """Propagate the adjoint of `styles` to F's weights."""
        if batch.mix is not None:
            keeps = self.keeps(batch)
            adjoint = np.concatenate([np.where(mask, adjoint, 0).sum(1) for mask in (keeps, ~keeps)])
        return self.networks["F"].backward(weights, f, adjoint)[1]

    def keeps(self, batch: Batch) -> Array:
        """Return whether each layer keeps the style of z, (layers, 1): the first `cutoff` do."""
        return np.arange(len(batch.noise or ()))[:, None] < (batch.cutoff or 0)

    def trains(self) -> dict[str, str]:
        """Return the networks that each update trains, in the order of updates."""
        # A loss on images alone does not involve F.
        reciprocity = {"none": "", "data": "EG"}.get(
            self.config.reciprocity, "EGF" if self.config.updates.trains_F else "EG"
        )
        discriminator = "ED" if self.config.networks.discriminator == "latent" else "D"
        trained = {"discriminator": discriminator, "generator": "FG", "reciprocity": reciprocity}
        return {update: networks for update, networks in trained.items() if networks}


def add(left: Gradients, right: Gradients) -> Gradients:
    """Add two sets of gradients; a missing gradient is zero."""
    return left | {name: left[name] + value if name in left else value for name, value in right.items()}
