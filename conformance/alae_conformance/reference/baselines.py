"""Autoencoder, VAE and BiGAN: the loss and gradient of each update."""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from alae_conformance.reference.layers import Array, Gradients, Pair, Trace, Weights
from alae_conformance.reference.training import Reference
from alae_conformance.reference.updates import Batch, add
from alae_core.config import Config


def reference_of(config: Config) -> type[Reference]:
    """Return the reference of the algorithm that a configuration names."""
    return {"alae": Reference, "autoencoder": Autoencoder, "vae": Vae, "bigan": Bigan}[config.algorithm]


class Autoencoder(Reference):
    """G∘E, trained to reconstruct pixels."""

    kinds: ClassVar[Mapping[str, str]] = {"G": "G", "E": "E"}
    critic = None

    def trains(self) -> dict[str, str]:
        """See `Reference.trains`."""
        return {"reconstruction": "EG"}

    def reconstruction(self, weights: Weights, batch: Batch) -> tuple[float, Gradients]:
        """mean ‖x − G(E(x))‖²."""
        return self.pixels(weights, batch)


class Vae(Reference):
    """q(w | x) = N(μ, σ²) with μ = E(x), log σ² = V(x); p(w) = N(0, I); p(x | w) = N(G(w), ½)."""

    kinds: ClassVar[Mapping[str, str]] = {"F": "identity", "G": "G", "E": "E", "V": "E"}
    critic = None

    def trains(self) -> dict[str, str]:
        """See `Reference.trains`."""
        return {"evidence": "EVG"}

    def evidence(self, weights: Weights, batch: Batch) -> tuple[float, Gradients]:
        """mean ‖x − G(μ + σ·z)‖² + mean ½ Σ (μ² + σ² − log σ² − 1), squares summed over pixels."""
        n = len(batch.images)
        e, v = (self.encode(weights, batch.images, batch, by=network) for network in "EV")
        mean, sigma = e.output.value, np.exp(v.output.value / 2)
        g = self.generate(weights, mean + sigma * batch.z, batch)
        difference = g.output.value - batch.images
        by_w, g_gradients = self.networks["G"].backward(weights, g, 2 * difference / n)
        by_log_variance = by_w.value * sigma * batch.z / 2 + (sigma**2 - 1) / (2 * n)
        _, e_gradients = self.networks["E"].backward(weights, e, by_w.value + mean / n)
        _, v_gradients = self.networks["V"].backward(weights, v, by_log_variance)
        divergence = (mean * mean + sigma * sigma - 2 * np.log(sigma) - 1).sum() / (2 * n)
        loss = (difference * difference).sum() / n + divergence
        return loss, e_gradients | v_gradients | g_gradients


class Bigan(Reference):
    """C separates pairs (x, E(x)) from pairs (G(z), z); X encodes x for C."""

    kinds: ClassVar[Mapping[str, str]] = {"F": "identity", "G": "G", "E": "E", "X": "E", "C": "pair"}
    critic = "C"

    def trains(self) -> dict[str, str]:
        """See `Reference.trains`."""
        return {"discriminator": "XC", "generator": "EG"}

    def discriminator(self, weights: Weights, batch: Batch) -> tuple[float, Gradients]:
        """mean fake(C(G(z), z)) + mean real(C(x, E(x))) + γ/2 · mean ‖∇ₓC(x, e)‖², with e = E(x) held constant."""
        n, gamma = len(batch.images), self.r1_gamma(batch)
        fake = self.pair(weights, self.generate(weights, batch.z, batch).output.value, batch.z, batch)
        _, g = self.input_gradient(weights, batch)
        code = self.encode(weights, batch.images, batch).output.value
        real = self.pair(weights, batch.images, code, batch, g)
        loss, by_real, by_fake = self.separate(real.output.value, fake.output.value)
        _, gradients = fake.pull(Pair(by_fake))
        _, penalised = real.pull(Pair(by_real, np.full(n, gamma / n)))
        return loss + gamma / 2 * (g * g).sum() / n, add(gradients, penalised)

    def generator(self, weights: Weights, batch: Batch) -> tuple[float, Gradients]:
        """mean generator(C(G(z), z)) + mean generator(−C(x, E(x))), or mean generator(C(G(z), z) − C(x, E(x)))."""
        n = len(batch.images)
        g = self.generate(weights, batch.z, batch)
        fake = self.pair(weights, g.output.value, batch.z, batch)
        e = self.encode(weights, batch.images, batch)
        real = self.pair(weights, batch.images, e.output.value, batch)
        if self.objective.fake is None:
            terms, by_fake = self.objective.generator(fake.output.value - real.output.value)
            loss, by_real = terms.mean(), -by_fake
        else:
            fake_terms, by_fake = self.objective.generator(fake.output.value)
            real_terms, slope = self.objective.generator(-real.output.value)
            loss, by_real = fake_terms.mean() + real_terms.mean(), -slope

        back, _ = fake.pull(Pair(by_fake / n))
        by_images, _ = self.split(back)
        _, g_gradients = self.networks["G"].backward(weights, g, by_images.value)
        back, _ = real.pull(Pair(by_real / n))
        _, by_w = self.split(back)
        _, e_gradients = self.networks["E"].backward(weights, e, by_w.value)
        return loss, g_gradients | e_gradients

    def input_gradient(self, weights: Weights, batch: Batch) -> tuple[Array, Array]:
        """C(x, E(x)), shape (batch,), and the gradient of its sum with respect to x, with E(x) held constant."""
        code = self.encode(weights, batch.images, batch).output.value
        real = self.pair(weights, batch.images, code, batch)
        back, _ = real.pull(Pair(np.ones(len(code))))
        return real.output.value, self.split(back)[0].value

    def pair(self, weights: Weights, images: Array, w: Array, batch: Batch, direction: Array | None = None) -> Trace:
        """Compute the logits (batch,) of images and their w; images may have a direction, w is held constant.

        `pull` returns the adjoint of the flat images and that of w, concatenated.
        """
        X, C = self.networks["X"], self.networks["C"]
        x = self.encode(weights, images, batch, direction, by="X")
        still = None if direction is None else np.concatenate([x.output.tangent, np.zeros_like(w)], 1)
        c = C.forward(weights, np.concatenate([x.output.value, w], 1), still)

        def pull(adjoint: Pair) -> tuple[Pair, Gradients]:
            back, c_gradients = C.backward(weights, c, adjoint.value, adjoint.tangent)
            size = w.shape[1]
            by_code, by_w = back.value[:, :size], back.value[:, size:]
            by_rate = None if back.tangent is None else back.tangent[:, :size]
            by_images, x_gradients = X.backward(weights, x, by_code, by_rate)
            return Pair(np.concatenate([by_images.value.reshape(len(w), -1), by_w], 1)), c_gradients | x_gradients

        return Trace(c.output, pull)

    def split(self, adjoint: Pair) -> tuple[Pair, Pair]:
        """Split the adjoint that `pair` returns into that of the images and that of w."""
        w = self.config.networks.w
        flat, by_w = adjoint.value[:, :-w], adjoint.value[:, -w:]
        channels = self.config.image[2]
        height = self.config.image[0] if self.config.growth is None else round((flat.shape[1] / channels) ** 0.5)
        return Pair(flat.reshape(len(flat), height, -1, channels)), Pair(by_w)
