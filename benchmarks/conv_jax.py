"""The compact recipe written by hand in JAX: convolutional networks, their training step, and inference."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from alae_core import Config
from benchmarks.schedule import schedule


@dataclass(frozen=True)
class Networks:
    """F, G, E and D of `p`, weights by name."""

    p: Mapping[str, jax.Array]
    config: Config

    def F(self, z):
        """Map z to w."""
        x = _normalize(z)
        for i in range(2):
            x = _leaky(self._dense(f"F/dense{i}", x))
        return _normalize(self._dense("F/dense2", x))

    def D(self, w):
        """Map w to logits."""
        return self._dense("D/dense1", _leaky(self._dense("D/dense0", w)))[:, 0]

    def G(self, w):
        """Map w to images."""
        widths, side = self.config.conv.widths, self.config.image[0] // self.config.conv.factor
        x = self._dense("G/dense1", _leaky(self._dense("G/dense0", w))).reshape(-1, side, side, widths[0])
        for i in range(len(widths)):
            n, height, width, channels = x.shape
            x = jax.image.resize(x, (n, 2 * height, 2 * width, channels), "bilinear") if i else x
            x = self._conv(f"G/conv{i}", self._refine("G", i, x))
        return jnp.tanh(x)

    def E(self, x):
        """Map images to w."""
        for i in reversed(range(len(self.config.conv.widths) - 1)):
            x = self._refine("E", i, self._halve(f"E/conv{i}", x))
        return _normalize(self._dense("E/dense1", _leaky(self._dense("E/dense0", x.reshape(len(x), -1)))))

    def _refine(self, network, i, x):
        if i < self.config.conv.residual:
            x = x + self._conv(f"{network}/residual{i}", _leaky(x))
        return _leaky(x)

    def _dense(self, name, x):
        return x @ self.p[f"{name}/kernel"] + self.p[f"{name}/bias"]

    def _conv(self, name, x):
        order = ("NHWC", "HWIO", "NHWC")
        kernel = self.p[f"{name}/kernel"]
        return jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=order) + self.p[f"{name}/bias"]

    def _halve(self, name, x):
        # A product with patches: XLA on a CPU takes long for the second derivative of a strided convolution.
        kernel, x = self.p[f"{name}/kernel"], jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
        height, width = x.shape[1] - 3, x.shape[2] - 3
        patches = [x[:, i : i + height : 2, j : j + width : 2] for i in range(4) for j in range(4)]
        return jnp.concatenate(patches, -1) @ kernel.reshape(-1, kernel.shape[-1]) + self.p[f"{name}/bias"]


def _leaky(x):
    return jax.nn.leaky_relu(x, 0.2)


def _normalize(x):
    return x / jnp.sqrt(jnp.square(x).mean(1, keepdims=True) + 1e-8)


def make_step(config: Config, weights: dict[str, np.ndarray], images: np.ndarray) -> Callable[..., list[object]]:
    """Return a function that takes one training step on `images` and returns its losses.

    It takes the z of the two adversarial updates, arrays (batch, z); without them it draws them.
    """
    adam, gamma, batch = config.adam, config.r1_gamma, len(images)

    def discriminator_loss(trained, others, x, z):
        n = Networks({**trained, **others}, config)
        w = n.F(z)
        codes = n.E(n.G(w))
        real, pull_back = jax.vjp(lambda x: n.D(n.E(x)), x)
        (gradient,) = pull_back(jnp.ones_like(real))
        penalty = gamma / 2 * jnp.square(gradient).sum((1, 2, 3)).mean()
        adversarial = jax.nn.softplus(-real).mean() + jax.nn.softplus(n.D(codes)).mean()
        return adversarial + penalty + jnp.square(w - codes).mean()

    def generator_loss(trained, others, x, z):
        n = Networks({**trained, **others}, config)
        w = n.F(z)
        codes = n.E(n.G(w))
        return jax.nn.softplus(-n.D(codes)).mean() + jnp.square(jax.lax.stop_gradient(w) - codes).mean()

    def pixel_loss(trained, others, x, z):
        n = Networks({**trained, **others}, config)
        return jnp.square(x - n.G(n.E(x))).mean()

    def adam_step(values, gradients, m, v, t, rate):
        rate = rate * jnp.sqrt(1 - adam.beta2**t)
        m = gradients  # because β1 is 0
        v = jax.tree.map(lambda v, g: adam.beta2 * v + (1 - adam.beta2) * g * g, v, gradients)
        values = jax.tree.map(lambda p, m, v: p - rate * m / (jnp.sqrt(v) + adam.epsilon), values, m, v)
        return values, m, v

    updates = {"ED": discriminator_loss, "FG": generator_loss, "EG": pixel_loss}

    @jax.jit
    def draw(key):
        key, *keys = jax.random.split(key, 3)
        return key, [jax.random.normal(each, (batch, config.networks.z)) for each in keys]

    @partial(jax.jit, donate_argnums=0, static_argnums=2)
    def step(state, x, names, rate, decay, draws):
        values, averages, moments = state
        moments, losses = {**moments}, []
        for trained, z in zip(names, [*draws, None], strict=False):
            mine = {name: value for name, value in values.items() if name[0] in trained}
            others = {name: value for name, value in values.items() if name[0] not in trained}
            loss, gradients = jax.value_and_grad(updates[trained])(mine, others, x, z)
            m, v, t = moments[trained]
            mine, m, v = adam_step(mine, gradients, m, v, t + 1, rate)
            moments[trained], values, losses = (m, v, t + 1), {**values, **mine}, [*losses, loss]
        averages = jax.tree.map(lambda a, p: a + (1 - decay) * (p - a), averages, values)
        return (values, averages, moments), losses

    values = {name: jnp.array(value) for name, value in weights.items()}

    def zeros(trained):
        return {name: jnp.zeros_like(value) for name, value in values.items() if name[0] in trained}

    moments = {trained: (zeros(trained), zeros(trained), jnp.zeros(())) for trained in updates}
    state, key, count = (values, jax.tree.map(jnp.copy, values), moments), jax.random.key(0), 0
    x = jnp.array(images)

    def run(z=None):
        nonlocal state, key, count
        if z is None:
            key, z = draw(key)
        names = ("ED", "FG", "EG") if count % config.updates.every == 0 else ("ED", "FG")
        state, losses = step(state, x, names, *schedule(config, count), z)
        count += 1
        return losses

    return run


def make_inference(config: Config, weights: dict[str, np.ndarray]) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """Return functions that `encode`, `generate` and `reconstruct` one chunk."""
    p = {name: jnp.array(value) for name, value in weights.items()}

    def encode(p, x):
        return Networks(p, config).E(x)

    def generate(p, w):
        return Networks(p, config).G(w)

    def reconstruct(p, x):
        return generate(p, encode(p, x))

    functions = {f.__name__: jax.jit(f) for f in (encode, generate, reconstruct)}
    return {name: lambda array, f=f: np.asarray(f(p, array)) for name, f in functions.items()}
