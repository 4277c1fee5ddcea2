"""Training steps of ALAE (paper, Algorithm 1): initial weights, Adam, averages, growth, adaptive augmentation."""

from collections.abc import Mapping, Sequence
from math import sqrt
from typing import Any, Protocol

import numpy as np

from alae_conformance.reference import conv, growth, mlp
from alae_conformance.reference.augment import adapt_p
from alae_conformance.reference.draws import stream
from alae_conformance.reference.layers import Array, Gradients, Weights
from alae_conformance.reference.updates import Batch, Updates

State = dict[str, Array]


class RandomNumbers(Protocol):
    """The random numbers of one update, such as `alae_core.draws.Draws`."""

    def _asdict(self) -> dict[str, Any]:
        """Return the fields of `Batch` that are random numbers, by name."""


class Reference(Updates):
    """Training of ALAE in one configuration. It holds no weights or state: they are arguments and results.

    Attributes:
        reduction: the factor of every mean over a batch in a step, which a backend reduces over devices: losses,
            gradients, the mean of w, and the separation of real and generated images.
        microbatch: the images in one pass; None computes each update in one pass.
    """

    reduction = 1.0
    microbatch: int | None = None

    def adam_of(self, update: str, network: str) -> str:
        """Return the name of the Adam that an update uses for a network."""
        if self.config.updates.adam == "own":
            return update
        return "decoder" if network in "FG" else "encoder"

    def initial_weights(self) -> dict[str, Array]:
        """Return the weights of a new run: kernels from its seed, ones for G's constant, zeros for all others."""
        return {name: self.initial_weight(name, shape) for name, shape in self.shapes.items()}

    def initial_weight(self, name: str, shape: tuple[int, ...]) -> Array:
        """Draw one weight of a new run. Each layer has a stream, and kernels are float32 numbers in every precision."""
        layer, _, kind = name.rpartition("/")
        if kind != "kernel":
            return np.ones(shape) if kind == "const" else np.zeros(shape)
        draws, kernels = stream(self.config, f"weights/{layer}"), self.config.networks.kernels
        if kernels == "he":
            drawn = conv.deviation(self.config, self.kinds[name[0]], name, shape) * draws.standard_normal(shape)
        elif kernels == "glorot":
            limit = sqrt(6 / sum(shape))
            drawn = draws.uniform(-limit, limit, shape)
        else:
            drawn = 1 / self.lrmul(name) * draws.standard_normal(shape)
        return drawn.astype(np.float32).astype(np.float64)

    def lrmul(self, name: str) -> float:
        """Return the learning-rate multiplier of a weight's network; convolutional networks have none."""
        perceptron = isinstance(self.networks[name[0]], mlp.Network)
        return mlp.settings_of(self.config, self.kinds[name[0]]).lrmul if perceptron else 1.0

    def initial_state(self, weights: Weights) -> State:
        """Return the arrays of a checkpoint before the first step."""
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
        self, state: Mapping[str, Array], images: Array, draws: Mapping[str, RandomNumbers], labels: Array | None = None
    ) -> tuple[State, dict[str, float]]:
        """Run every update that has draws, in order, then move the averages; returns the new state and each loss."""
        state, losses = {**state}, {}
        here = self.position(state)
        lod, blend, batch_size = here.lod, here.blend, here.batch_size
        if here.restarts:
            state |= {name: np.zeros_like(array) for name, array in state.items() if name.startswith("adam/")}
        if lod is not None:
            images = self.show_at_level(images, lod, blend)
        for update in (update for update in self.trains() if update in draws):
            weights = _weights(state)
            batch = Batch(
                images, labels=labels, blend=blend, p=self.p(state), r1_gamma=here.r1_gamma, **draws[update]._asdict()
            )
            if "w_mean" in state and batch.z is not None:
                state["w_mean"] = self.mean_step(weights, state["w_mean"], batch.z, batch.labels)
            if "augment_p" in state and update == "discriminator":
                state["augment_p"] = np.array(self.p_step(weights, batch.p, batch, batch_size))
                batch = batch._replace(p=self.p(state))
            loss, gradients = self.average_passes(update, weights, batch)
            losses[update] = self.reduction * loss
            self.apply(state, update, {name: self.reduction * each for name, each in gradients.items()})
        decay = here.average_decay
        for name, value in _weights(state).items():
            state[f"averages/{name}"] = decay * state[f"averages/{name}"] + (1 - decay) * value
        return state | {"step": state["step"] + 1}, losses

    def average_passes(self, update: str, weights: Weights, batch: Batch) -> tuple[float, dict[str, Array]]:
        """Return the loss of an update and its gradients, as means over the passes."""
        found = [self.differentiate(update, weights, part) for part in self.passes(batch)]
        gradients: dict[str, Any] = {name: sum(each[name] for _, each in found) / len(found) for name in found[0][1]}
        return sum(loss for loss, _ in found) / len(found), gradients

    def passes(self, batch: Batch) -> list[Batch]:
        """Return the parts of a batch that are computed one after the other."""
        rows, count = len(batch.images), len(self.divide(batch.images))

        def divide(array: Array) -> Sequence[Array]:
            # The first noise map belongs to every image.
            return self.divide(array) if len(array) == rows else [array] * count

        given = batch._asdict().items()
        arrays: dict[str, Any] = {
            name: divide(each) for name, each in given if isinstance(each, np.ndarray) and each.ndim
        }
        if batch.noise is not None:
            arrays["noise"] = list(zip(*map(divide, batch.noise), strict=True))
        return [batch._replace(**{name: parts[k] for name, parts in arrays.items()}) for k in range(count)]

    def divide(self, rows: Array) -> list[Array]:
        """Return the rows of each pass: k, k + n, k + 2n, … of n passes."""
        count = 1 if self.microbatch is None else max(1, len(rows) // self.microbatch)
        return [rows[k::count] for k in range(count)]

    def due(self, step: int) -> list[str]:
        """Return the updates that a training step does, in order."""
        rare = ("reciprocity", "pixels")
        return [name for name in self.trains() if name not in rare or step % self.config.updates.every == 0]

    def position(self, state: State) -> growth.Position:
        """Return the position in the growth schedule of the step that follows a state."""
        return growth.position(self.config, int(state["step"]))

    def show_at_level(self, images: Array, lod: int, blend: float) -> Array:
        """Downsample and fade real images as a level of detail shows them."""
        return growth.show_at_level(images, lod, blend)

    def mean_step(self, weights: Weights, mean: Array, z: Array, labels: Array | None) -> Array:
        """Return the running mean of w after an update with this z and these labels."""
        beta = self.config.style.w_mean_beta
        parts = self.divide(z)
        classes = [None] * len(parts) if labels is None else self.divide(labels)
        means = [
            self.map(weights, part, one_hot).output.value.mean(0) for part, one_hot in zip(parts, classes, strict=True)
        ]
        return beta * mean + (1 - beta) * self.reduction * sum(means) / len(means)

    def apply(self, state: State, update: str, gradients: Gradients) -> None:
        """Move the weights of one update in `state`, with Adam's moments and counts."""
        learning_rate = self.position(state).learning_rate
        for network in self.trains()[update]:
            if not any(name.startswith(network) for name in gradients):
                continue  # all of it is frozen
            home = f"adam/{self.adam_of(update, network)}/{network}"
            state[f"{home}/t"] = state[f"{home}/t"] + 1
            for name in (name for name in gradients if name.startswith(network)):
                keys = f"weights/{name}", f"{home}/m/{name[2:]}", f"{home}/v/{name[2:]}"
                value, m, v = (state[key] for key in keys)
                # Adam gets the gradient with respect to the scaled weight, so that ε acts as in the authors' code.
                gradient, t = gradients[name] / self.scales[name], int(state[f"{home}/t"])
                moved = self.adam(value, m, v, gradient, t, learning_rate)
                state.update(zip(keys, moved, strict=True))

    def adam(
        self, value: Array, m: Array, v: Array, gradient: Array, t: int, learning_rate: float
    ) -> tuple[Array, Array, Array]:
        """Do an Adam step with ε added to the uncorrected √v (Kingma and Ba 2015, section 2); t includes this step."""
        adam = self.config.adam
        m = adam.beta1 * m + (1 - adam.beta1) * gradient
        v = adam.beta2 * v + (1 - adam.beta2) * gradient**2
        rate = learning_rate * (1 - adam.warmup**t) * np.sqrt(1 - adam.beta2**t) / (1 - adam.beta1**t)
        return value - rate * m / (np.sqrt(v) + adam.epsilon), m, v

    def p(self, state: Mapping[str, Array]) -> float:
        """Return the probability of each transformation: the state's if it adapts, else the configuration's."""
        if "augment_p" in state:
            return float(state["augment_p"])
        return self.config.augment.p if self.config.augment else 0.0

    def p_step(self, weights: Weights, p: float, batch: Batch, batch_size: int) -> float:
        """Return the probability after a batch, adapted to how well D∘E separates its real and generated images."""
        choice: Any = self.config.augment
        margins = np.concatenate([self.margins(weights, part) for part in self.passes(batch)])
        separation = self.reduction * np.sign(margins).mean()
        return adapt_p(p, separation, choice.target, batch_size / choice.images)

    def margins(self, weights: Weights, batch: Batch) -> Array:
        """Return D∘E's logits on augmented real images minus those on augmented generated ones, (batch,)."""
        fake = self.generate(weights, self.styles(weights, batch)[1], batch).output.value
        real_logits, fake_logits = (
            self.input_gradient(weights, batch._replace(images=self.augment(images, batch)))[0]
            for images in (batch.images, fake)
        )
        return real_logits - fake_logits


def _weights(state: Mapping[str, Array]) -> dict[str, Array]:
    return {name.removeprefix("weights/"): value for name, value in state.items() if name.startswith("weights/")}
