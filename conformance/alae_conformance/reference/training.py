"""One training step of ALAE: three losses and their gradients, Adam, averages (paper, Algorithm 1)."""

from collections.abc import Callable, Mapping, Sequence
from math import sqrt
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np

from alae_conformance.reference import growth, mlp, style
from alae_conformance.reference.augment import Augmentation, adapted, augmentation
from alae_conformance.reference.draws import stream
from alae_conformance.reference.layers import Array, Pair, Weights
from alae_conformance.reference.losses import OBJECTIVES
from alae_core.config import Config

Gradients = dict[str, Array]
State = dict[str, Array]


class Batch(NamedTuple):
    """Images (batch, H, W, C), the update's own z (batch, z), one-hot labels (batch, classes) or None.

    For style networks also the update's own mix, cutoff and noise, as `Drawn` has them, and the blend. Where images are
    augmented, the numbers that say how, and with which probability.
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


class Trace(NamedTuple):
    """One pass through networks: its output, and what leads adjoints of that back."""

    output: Pair
    pull: Callable[[Pair], tuple[Pair, Gradients]]


class Drawn(Protocol):
    """What one update draws, such as `alae_core.draws.Draws`."""

    def _asdict(self) -> dict[str, Any]:
        """z (batch, z); mix, other z or None, whose styles the layers from `cutoff` on take; noise, a map for each.

        augment, the numbers (batch, 16) by which images are augmented, or None.
        """


class Reference:
    """ALAE of one configuration; all weights and states are passed in and out, under the names of a checkpoint.

    Attributes:
        kinds: its networks by name, each of a kind that families know.
        critic: the network that ends in a logit, if there is one.
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

    # ---- what each update lowers, with its gradient -------------------------------------------------------------

    def differentiate(self, update: str, weights: Weights, batch: Batch) -> tuple[float, Gradients]:
        """The loss of one update, and its gradient by each weight that the update trains at the level of detail."""
        loss, gradients = getattr(self, update)(weights, batch)
        trained = self.trains()[update]
        return loss, {name: gradients[name] for name in weights if name[0] in trained and name in gradients}

    def discriminator(self, weights: Weights, batch: Batch) -> tuple[float, Gradients]:
        """mean fake(D(E(G(F(z))))) + mean real(D(E(x))) + γ/2 · mean ‖∇ₓD(E(x))‖²."""
        n = len(batch.images)

        images = self.generate(weights, self.styles(weights, batch)[1], batch).output.value
        d = self.score(weights, self.seen(images, batch), batch)
        fake, slope = self.objective.fake(d.output.value)
        _, gradients = d.pull(Pair(slope / n))

        # The penalty is γ/2n · Σ g·g. With the direction v = g held, its gradient is γ/n · ∇_θ Σ v·g = γ/n · ∇_θ Σ ṡ.
        batch = batch._replace(images=self.seen(batch.images, batch))
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
        """A pass of images through E and D, or through a D that looks at images, to logits (batch,)."""
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
        d = self.score(weights, self.seen(g.output.value, batch), batch)
        terms, slope = self.objective.generator(d.output.value)
        back, _ = d.pull(Pair(slope / len(terms)))
        back, g_gradients = G.backward(weights, g, self.seen_backward(back.value, batch))
        return terms.mean(), g_gradients | self.styles_backward(weights, f, batch, back.value)

    def reciprocity(self, weights: Weights, batch: Batch) -> tuple[float, Gradients]:
        """mean ‖F(z) − E(G(F(z)))‖², or ‖x − G(E(x))‖², or both; or ‖z − E(G(F(z)))‖².

        F moves the estimate through G, and the target too, where that is followed: d‖e − f‖²/df is −d‖e − f‖²/de. A
        target z is moved by nothing.
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
        """‖target − estimate‖² averaged over the batch, and its derivative by the estimate.

        Over other axes it is a sum or a mean, as the configuration says.
        """
        difference = estimate - target
        share = 1 / len(target) if self.config.updates.distance == "sum" else 1 / target.size
        return (difference * difference).sum() * share, 2 * share * difference

    # ---- what D∘E is shown of images --------------------------------------------------------------------------------

    def seen(self, images: Array, batch: Batch) -> Array:
        """Images as the adversarial updates show them to D∘E: augmented, where the batch says how."""
        found = self.augmentation(images.shape[1:], batch)
        return images if found is None else found.apply(images)

    def seen_backward(self, adjoint: Array, batch: Batch) -> Array:
        """The adjoint of images from that of `seen`."""
        found = self.augmentation(adjoint.shape[1:], batch)
        return adjoint if found is None else found.backward(adjoint)

    def augmentation(self, shape: Any, batch: Batch) -> Augmentation | None:
        """What is done to images of a shape (H, W, C)."""
        if self.config.augment is None or batch.augment is None:
            return None
        return augmentation(batch.augment, batch.p, self.config.augment.transforms, shape)

    def p(self, state: Mapping[str, Array]) -> float:
        """The probability of each transformation: the state's, where it adapts."""
        if "augment_p" in state:
            return float(state["augment_p"])
        return self.config.augment.p if self.config.augment else 0.0

    def p_step(self, weights: Weights, p: float, batch: Batch, batch_size: int) -> float:
        """The probability after D∘E has seen a batch's real images beside generated ones."""
        choice: Any = self.config.augment
        return adapted(p, self.margins(weights, batch), choice.target, batch_size / choice.images)

    def margins(self, weights: Weights, batch: Batch) -> Array:
        """D∘E's logits on real images less those on generated ones, as it sees both, (batch,)."""
        fake = self.generate(weights, self.styles(weights, batch)[1], batch).output.value
        real_logits, fake_logits = (
            self.input_gradient(weights, batch._replace(images=self.seen(images, batch)))[0]
            for images in (batch.images, fake)
        )
        return real_logits - fake_logits

    # ---- the networks at a batch's level of detail ---------------------------------------------------------------

    def encode(
        self, weights: Weights, images: Array, batch: Batch, direction: Array | None = None, by: str = "E"
    ) -> Any:
        """A pass of images through E or a network like it, with a derivative along `direction` where that is given."""
        # Style networks grow, and perceptrons do not.
        given = {"labels": batch.labels} if self.config.growth is None else {"blend": batch.blend}
        return self.networks[by].forward(weights, images, direction, **given)

    def generate(self, weights: Weights, w: Array, batch: Batch) -> Any:
        """A pass of w, or of a style for each layer, through G."""
        given: dict[str, Any] = {"labels": batch.labels}
        if self.config.growth is not None:
            given = {"noise": batch.noise, "blend": batch.blend}
        return self.networks["G"].forward(weights, w, **given)

    def styles(self, weights: Weights, batch: Batch) -> tuple[Any, Array]:
        """A pass of z, and of what is mixed in, through F; and w, or with style mixing a style for each layer."""
        F = self.networks["F"]
        if batch.mix is None:
            f = F.forward(weights, batch.z)
            return f, f.output.value
        f = F.forward(weights, np.concatenate([batch.z, batch.mix]))
        own, other = np.split(f.output.value, 2)
        return f, np.where(self.keeps(batch), own[:, None], other[:, None])

    def styles_backward(self, weights: Weights, f: Any, batch: Batch, adjoint: Array) -> Gradients:
        """The gradient of F's weights from the adjoint of `styles`."""
        if batch.mix is not None:
            keeps = self.keeps(batch)
            adjoint = np.concatenate([np.where(mask, adjoint, 0).sum(1) for mask in (keeps, ~keeps)])
        return self.networks["F"].backward(weights, f, adjoint)[1]

    def keeps(self, batch: Batch) -> Array:
        """Which layers keep the style of z, (layers, 1): the first `cutoff`."""
        return np.arange(len(batch.noise or ()))[:, None] < (batch.cutoff or 0)

    # ---- who moves, and how -------------------------------------------------------------------------------------

    def trains(self) -> dict[str, str]:
        """The networks that each update trains, updates in order."""
        # In images F has no part in it.
        reciprocity = {"none": "", "data": "EG"}.get(
            self.config.reciprocity, "EGF" if self.config.updates.trains_F else "EG"
        )
        discriminator = "ED" if self.config.networks.discriminator == "latent" else "D"
        trained = {"discriminator": discriminator, "generator": "FG", "reciprocity": reciprocity}
        return {update: networks for update, networks in trained.items() if networks}

    def adam_of(self, update: str, network: str) -> str:
        """The name of the Adam whose moments an update uses for a network."""
        if self.config.updates.adam == "own":
            return update
        return "decoder" if network in "FG" else "encoder"

    def initial_weights(self) -> dict[str, Array]:
        """A new run's weights: kernels drawn from its seed, G's constant of ones, and zeros."""
        return {name: self.initial_weight(name, shape) for name, shape in self.shapes.items()}

    def initial_weight(self, name: str, shape: tuple[int, ...]) -> Array:
        """Kernels have a stream for each layer, and are float32 whatever the precision."""
        layer, _, kind = name.rpartition("/")
        if kind != "kernel":
            return np.ones(shape) if kind == "const" else np.zeros(shape)
        draws = stream(self.config, f"weights/{layer}")
        if not self.config.networks.equalized:
            limit = sqrt(6 / sum(shape))
            drawn = draws.uniform(-limit, limit, shape)
        else:
            drawn = 1 / self.lrmul(name) * draws.standard_normal(shape)
        return drawn.astype(np.float32).astype(np.float64)

    def lrmul(self, name: str) -> float:
        """The learning-rate multiplier of the network that a weight is of: convolutional ones have none."""
        perceptron = isinstance(self.networks[name[0]], mlp.Network)
        return mlp.choice_of(self.config, self.kinds[name[0]]).lrmul if perceptron else 1.0

    def initial_state(self, weights: Weights) -> State:
        """A checkpoint's arrays before the first step."""
        state: State = {"step": np.array(0)}
        state |= {f"weights/{name}": value for name, value in weights.items()}
        state |= {f"averages/{name}": value for name, value in weights.items()}
        if self.config.growth is not None and "F" in self.networks:
            state["w_mean"] = np.zeros(self.config.networks.w)
        if self.config.adapts:
            state["augment_p"] = np.array(self.p({}))
        for update, networks in self.trains().items():
            for network in networks:
                adam = self.adam_of(update, network)
                state[f"adam/{adam}/{network}/t"] = np.array(0)
                for name in (name for name in weights if name.startswith(network)):
                    for moment in "mv":
                        state[f"adam/{adam}/{network}/{moment}/{name[2:]}"] = np.zeros_like(weights[name])
        return state

    def step(
        self, state: Mapping[str, Array], images: Array, draws: Mapping[str, Drawn], labels: Array | None = None
    ) -> tuple[State, dict[str, float]]:
        """Every update that has draws, one after the other, then the averages; the new state and each update's loss."""
        state, losses = {**state}, {}
        lod, blend, batch_size, _, restarts = self.position(state)
        if restarts:
            state |= {name: np.zeros_like(array) for name, array in state.items() if name.startswith("adam/")}
        if lod is not None:
            images = self.shown(images, lod, blend)
        for update in (update for update in self.trains() if update in draws):
            weights = _weights(state)
            batch = Batch(images, labels=labels, blend=blend, p=self.p(state), **draws[update]._asdict())
            if "w_mean" in state:
                state["w_mean"] = self.mean_step(weights, state["w_mean"], batch.z)
            if "augment_p" in state and update == "discriminator":
                state["augment_p"] = np.array(self.p_step(weights, batch.p, batch, batch_size))
                batch = batch._replace(p=self.p(state))
            losses[update], gradients = self.differentiate(update, weights, batch)
            self.apply(state, update, gradients)
        decay = 0.5 ** (batch_size / self.config.average_halflife)
        for name, value in _weights(state).items():
            state[f"averages/{name}"] = decay * state[f"averages/{name}"] + (1 - decay) * value
        return state | {"step": state["step"] + 1}, losses

    def position(self, state: State) -> growth.Position:
        """Where growth is before the step that follows a state."""
        return growth.position(self.config, int(state["step"]))

    def shown(self, images: Array, lod: int, blend: float) -> Array:
        """Real images as a level of detail is shown them."""
        return growth.shown(images, lod, blend)

    def mean_step(self, weights: Weights, mean: Array, z: Array) -> Array:
        """The running mean of w after styles were generated from z."""
        beta = self.config.style.w_mean_beta
        return beta * mean + (1 - beta) * self.networks["F"].forward(weights, z).output.value.mean(0)

    def apply(self, state: State, update: str, gradients: Gradients) -> None:
        """Move the weights of one update in `state`, with its moments and counts."""
        learning_rate = self.position(state).learning_rate
        for network in self.trains()[update]:
            home = f"adam/{self.adam_of(update, network)}/{network}"
            state[f"{home}/t"] = state[f"{home}/t"] + 1
            for name in (name for name in gradients if name.startswith(network)):
                keys = f"weights/{name}", f"{home}/m/{name[2:]}", f"{home}/v/{name[2:]}"
                value, m, v = (state[key] for key in keys)
                # Adam sees the gradient by the weight as it is used, so that ε acts where the authors' does.
                gradient, t = gradients[name] / self.scales[name], int(state[f"{home}/t"])
                moved = self.adam(value, m, v, gradient, t, learning_rate)
                state.update(zip(keys, moved, strict=True))

    def adam(
        self, value: Array, m: Array, v: Array, gradient: Array, t: int, learning_rate: float
    ) -> tuple[Array, Array, Array]:
        """Adam with ε beside the uncorrected root (Kingma and Ba 2015, before section 2.1); t counts this step too."""
        adam = self.config.adam
        m = adam.beta1 * m + (1 - adam.beta1) * gradient
        v = adam.beta2 * v + (1 - adam.beta2) * gradient**2
        rate = learning_rate * (1 - adam.warmup**t) * np.sqrt(1 - adam.beta2**t) / (1 - adam.beta1**t)
        return value - rate * m / (np.sqrt(v) + adam.epsilon), m, v


def add(left: Gradients, right: Gradients) -> Gradients:
    """The sum of two sets of gradients; a name that one lacks counts as zero there."""
    return left | {name: left[name] + value if name in left else value for name, value in right.items()}


def _weights(state: Mapping[str, Array]) -> dict[str, Array]:
    return {name.removeprefix("weights/"): value for name, value in state.items() if name.startswith("weights/")}
