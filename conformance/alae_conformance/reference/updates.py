"""The loss and gradient of each update of ALAE (paper, Algorithm 1), derived by hand."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np

from alae_conformance.reference import conv, mlp, style
from alae_conformance.reference.augment import Augmentation, augmentation
from alae_conformance.reference.layers import Array, Gradients, Pair, Trace, Weights
from alae_conformance.reference.losses import OBJECTIVES
from alae_core.config import Config


class Batch(NamedTuple):
    """The inputs of one update.

    Attributes:
        images: real images (batch, H, W, C).
        z: the update's own z (batch, z); None at run time if it draws none.
        labels: one-hot (batch, classes), or None.
        mix: a second z (batch, z), for the styles of the layers from `cutoff` on; or None.
        noise: for style networks, a map for each layer.
        blend: for style networks, how far the level has faded in.
        augment: the random numbers (batch, 16) of augmentation, or None.
        p: the probability of each transformation of augmentation.
        r1_gamma: γ of R1, if a schedule changes it.
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
    r1_gamma: float | None = None


class Updates:
    """The networks of one configuration, and each update's loss; weights have the names of a checkpoint.

    Attributes:
        kinds: the kind of each network, by name.
        critic: the name of the network that outputs logits, or None.
    """

    kinds: ClassVar[Mapping[str, str]] = {"F": "F", "G": "G", "E": "E", "D": "D"}
    critic: ClassVar[str | None] = "D"

    def __init__(self, config: Config) -> None:
        family: Any = {"mlp": mlp, "conv": conv, "style": style}[config.networks.family]
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
        trained = [name for name in weights if name[0] in self.trains()[update] and not self.is_frozen(name)]
        return loss, {name: gradients[name] for name in trained if name in gradients}

    def is_frozen(self, weight: str) -> bool:
        """Return whether the configuration freezes a weight, or a network, block or layer that contains it."""
        return any(f"{weight}/".startswith(f"{part.replace('.', '/')}/") for part in self.config.freeze)

    def discriminator(self, weights: Weights, batch: Batch) -> tuple[float, Gradients]:
        """mean fake(D(E(G(F(z))))) + mean real(D(E(x))) + γ/2 · mean ‖∇ₓD(E(x))‖², and the loop in w if it is a term.

        R2, if there is one, is the same penalty on the generated images.
        """
        generated = self.generate(weights, self.styles(weights, batch)[1], batch).output.value
        fake, rate_of_fake, r2 = self.penalise(
            weights, self.augment(generated, batch), batch, self.config.r2_gamma or None
        )
        real, rate_of_real, r1 = self.penalise(weights, self.augment(batch.images, batch), batch, self.r1_gamma(batch))
        loss, by_real, by_fake = self.separate(real.output.value, fake.output.value)
        _, gradients = fake.pull(Pair(by_fake, rate_of_fake))
        _, penalised = real.pull(Pair(by_real, rate_of_real))
        loss, gradients = loss + r1 + r2, add(gradients, penalised)
        if self.closes_in_adversarial_updates():
            distance, found = self.loop(weights, batch)
            loss, gradients = loss + distance, add(gradients, found)
        return loss, gradients

    def penalise(
        self, weights: Weights, images: Array, batch: Batch, gamma: float | None
    ) -> tuple[Trace, Array | None, float]:
        """Score constant images; return the trace, the adjoint of its tangent, and the penalty; None omits it.

        The penalty is γ/2n · Σ g·g. With v = g held constant, its gradient is γ/n · ∇_θ Σ v·g = γ/n · ∇_θ Σ ṡ.
        """
        if gamma is None:
            return self.score(weights, images, batch), None, 0.0
        n = len(images)
        _, g = self.input_gradient(weights, batch._replace(images=images))
        return self.score(weights, images, batch, g), np.full(n, gamma / n), gamma / 2 * (g * g).sum() / n

    def separate(self, real: Array, fake: Array) -> tuple[float, Array, Array]:
        """Return the discriminator's mean loss at these logits, and its derivatives with respect to both."""
        n = len(real)
        if self.objective.fake is None:
            terms, slope = self.objective.real(real - fake)
            return terms.mean(), slope / n, -slope / n
        fake_terms, by_fake = self.objective.fake(fake)
        real_terms, by_real = self.objective.real(real)
        return fake_terms.mean() + real_terms.mean(), by_real / n, by_fake / n

    def r1_gamma(self, batch: Batch) -> float:
        """Return γ of R1: that of the schedule, or the configuration's."""
        return self.gamma if batch.r1_gamma is None else batch.r1_gamma

    def input_gradient(self, weights: Weights, batch: Batch) -> tuple[Array, Array]:
        """D(E(x)), shape (batch,), and the gradient of its sum with respect to x."""
        d = self.score(weights, batch.images, batch)
        back, _ = d.pull(Pair(np.ones(len(batch.images))))
        return d.output.value, back.value

    def score(self, weights: Weights, images: Array, batch: Batch, direction: Array | None = None) -> Trace:
        """Compute the logits (batch,) of images by D∘E, or by a D on images."""
        E, D = self.networks["E"], self.networks["D"]
        if self.config.networks.discriminator == "images":
            d = D.forward(weights, images, direction, blend=batch.blend, labels=batch.labels)
            return Trace(d.output, d.pull)
        e = self.encode(weights, images, batch, direction)
        d = self.judge(weights, e.output.value, batch.labels, e.output.tangent)

        def pull(adjoint: Pair) -> tuple[Pair, Gradients]:
            back, d_gradients = D.backward(weights, d, adjoint.value, adjoint.tangent)
            back, e_gradients = E.backward(weights, e, back.value, back.tangent)
            return back, d_gradients | e_gradients

        return Trace(d.output, pull)

    def generator(self, weights: Weights, batch: Batch) -> tuple[float, Gradients]:
        """mean generator(D(E(G(F(z))))), or of its difference to D(E(x)), and the loop in w if it is a term."""
        G = self.networks["G"]
        f, w = self.styles(weights, batch)
        g = self.generate(weights, w, batch)
        d = self.score(weights, self.augment(g.output.value, batch), batch)
        logits = d.output.value
        if self.objective.fake is None:
            # The real logits depend on neither F nor G.
            logits = logits - self.score(weights, self.augment(batch.images, batch), batch).output.value
        terms, slope = self.objective.generator(logits)
        back, _ = d.pull(Pair(slope / len(terms)))
        back, g_gradients = G.backward(weights, g, self.augment_backward(back.value, batch))
        loss, gradients = terms.mean(), g_gradients | self.styles_backward(weights, f, batch, back.value)
        if self.closes_in_adversarial_updates():
            distance, found = self.loop(weights, batch)
            if not self.config.updates.trains_F:
                found = {name: gradient for name, gradient in found.items() if not name.startswith("F/")}
            loss, gradients = loss + distance, add(gradients, found)
        return loss, gradients

    def reciprocity(self, weights: Weights, batch: Batch) -> tuple[float, Gradients]:
        """mean ‖F(z) − E(G(F(z)))‖², or ‖x − G(E(x))‖², or both; or ‖z − E(G(F(z)))‖².

        F is trained through G and, unless the target is constant, through the target: d‖e − f‖²/df = −d‖e − f‖²/de. A
        target z has no gradient.
        """
        loss, gradients = 0.0, Gradients()
        if self.config.reciprocity in ("latent", "both", "z"):
            loss, gradients = self.loop(weights, batch)
        if self.config.reciprocity in ("data", "both"):
            distance, found = self.pixels(weights, batch)
            loss, gradients = loss + distance, add(gradients, found)
        return loss, gradients

    def loop(self, weights: Weights, batch: Batch) -> tuple[float, Gradients]:
        """weight · mean ‖F(z) − E(G(F(z)))‖², or ‖z − E(G(F(z)))‖²: images neither augmented nor of mixed styles."""
        F, G, E = (self.networks[name] for name in "FGE")
        f = self.code(weights, batch)
        g = self.generate(weights, f.output.value, batch)
        e = self.encode(weights, g.output.value, batch)
        of_z, weight = self.config.reciprocity == "z", self.config.updates.weight
        distance, slope = self.distance(batch.z if of_z else f.output.value, e.output.value)
        slope = weight * slope
        back, e_gradients = E.backward(weights, e, slope)
        back, g_gradients = G.backward(weights, g, back.value)
        by_f = back.value if of_z or self.config.updates.target == "constant" else back.value - slope
        _, f_gradients = F.backward(weights, f, by_f)
        return weight * distance, e_gradients | g_gradients | f_gradients

    def code(self, weights: Weights, batch: Batch) -> Any:
        """Return F's trace in the loop in w."""
        return self.map(weights, batch.z, batch.labels)

    def closes_in_adversarial_updates(self) -> bool:
        """Return whether the loop in w, or z, is a term of the adversarial losses."""
        return self.config.updates.reciprocity == "adversarial" and self.config.reciprocity in ("latent", "both", "z")

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

    def map(self, weights: Weights, z: Array, labels: Array | None) -> Any:
        """Map z to w, with one-hot labels if F takes them."""
        return self.networks["F"].forward(weights, z, labels=self.labels_of_style(labels))

    def judge(self, weights: Weights, w: Array, labels: Array | None, direction: Array | None = None) -> Any:
        """Return D's trace of w, with one-hot labels if D takes them."""
        return self.networks["D"].forward(weights, w, direction, self.labels_of_style(labels))

    def labels_of_style(self, labels: Array | None) -> Array | None:
        """Return the labels that F and D take: of style networks those of the batch, of others none."""
        return labels if self.config.networks.family == "style" else None

    def styles(self, weights: Weights, batch: Batch) -> tuple[Any, Array]:
        """Map z, and a second z if styles are mixed; returns F's trace, and w or a style for each layer."""
        if batch.mix is None:
            f = self.map(weights, batch.z, batch.labels)
            return f, f.output.value
        labels = None if batch.labels is None else np.concatenate([batch.labels, batch.labels])
        f = self.map(weights, np.concatenate([batch.z, batch.mix]), labels)
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
        where, joint = self.config.reciprocity, self.config.updates.reciprocity == "adversarial"
        in_w, in_images = where in ("latent", "both", "z"), where in ("data", "both")
        uses_e = self.config.networks.discriminator == "latent" or (joint and in_w)
        trained = {"discriminator": "ED" if uses_e else "D", "generator": "FG"}
        if joint:
            trained["pixels"] = "EG" if in_images else ""
        else:
            # A loss on images alone does not involve F.
            by_own = "EGF" if in_w and self.config.updates.trains_F else "EG"
            trained["reciprocity"] = by_own if in_w or in_images else ""
        return {update: networks for update, networks in trained.items() if networks}


def add(left: Gradients, right: Gradients) -> Gradients:
    """Add two sets of gradients; a missing gradient is zero."""
    return left | {name: left[name] + value if name in left else value for name, value in right.items()}
