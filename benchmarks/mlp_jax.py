"""MLP-ALAE written by hand in JAX: the training step and inference."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from alae_core import Config


def _network(config, weights, name):
    depth = len(getattr(config.networks, name).hidden) + 1
    return [(weights[f"{name}/dense{i}/kernel"], weights[f"{name}/dense{i}/bias"]) for i in range(depth)]


def _apply(layers, x):
    for kernel, bias in layers[:-1]:
        x = jax.nn.leaky_relu(x @ kernel + bias, 0.2)
    kernel, bias = layers[-1]
    return x @ kernel + bias


def make_step(config: Config, weights: dict[str, np.ndarray], images: np.ndarray) -> Callable[[], object]:
    """Return a function that takes one training step on `images` and returns its losses."""
    adam, gamma, batch = config.adam, config.r1_gamma, len(images)
    decay = 0.5 ** (batch / config.average_halflife)

    def discriminator_loss(ed, fg, x, z):
        def score(x):
            return _apply(ed["D"], _apply(ed["E"], x))[:, 0]

        real, pull_back = jax.vjp(score, x)
        (gradient,) = pull_back(jnp.ones_like(real))
        fake = score(_apply(fg["G"], _apply(fg["F"], z)))
        penalty = gamma / 2 * jnp.square(gradient).sum(axis=1).mean()
        return jax.nn.softplus(fake).mean() + jax.nn.softplus(-real).mean() + penalty

    def generator_loss(fg, ed, x, z):
        return jax.nn.softplus(-_apply(ed["D"], _apply(ed["E"], _apply(fg["G"], _apply(fg["F"], z))))).mean()

    def reciprocity_loss(eg, f, x, z):
        w = _apply(f["F"], z)
        return jnp.square(w - _apply(eg["E"], _apply(eg["G"], w))).sum(axis=1).mean()

    def adam_step(values, gradients, m, v, t):
        rate = adam.learning_rate * jnp.sqrt(1 - adam.beta2**t)
        m = gradients  # because β1 is 0
        v = jax.tree.map(lambda v, g: adam.beta2 * v + (1 - adam.beta2) * g * g, v, gradients)
        values = jax.tree.map(lambda p, m, v: p - rate * m / (jnp.sqrt(v) + adam.epsilon), values, m, v)
        return values, m, v

    @partial(jax.jit, donate_argnums=0)
    def step(state, x):
        values, averages, moments, t, key = state
        moments, t, losses = {**moments}, t + 1, []
        for loss, trained in ((discriminator_loss, "ED"), (generator_loss, "FG"), (reciprocity_loss, "EG")):
            key, now = jax.random.split(key)
            z = jax.random.normal(now, (batch, config.networks.z))
            mine = {name: values[name] for name in trained}
            others = {name: values[name] for name in values if name not in trained}
            value, gradients = jax.value_and_grad(loss)(mine, others, x, z)
            mine, *moments[trained] = adam_step(mine, gradients, *moments[trained], t)
            values, losses = {**values, **mine}, [*losses, value]
        averages = jax.tree.map(lambda a, p: a + (1 - decay) * (p - a), averages, values)
        return (values, averages, moments, t, key), losses

    values = jax.tree.map(jnp.array, {name: _network(config, weights, name) for name in "FGED"})
    zeros = {
        trained: {name: jax.tree.map(jnp.zeros_like, values[name]) for name in trained}
        for trained in ("ED", "FG", "EG")
    }
    moments = {trained: [zeros[trained], jax.tree.map(jnp.zeros_like, zeros[trained])] for trained in zeros}
    state = (values, jax.tree.map(jnp.copy, values), moments, jnp.zeros(()), jax.random.key(0))
    x = jnp.array(images.reshape(batch, -1))

    def run():
        nonlocal state
        state, losses = step(state, x)
        return losses

    return run


def make_inference(config: Config, weights: dict[str, np.ndarray]) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """Return functions that `encode`, `generate` and `reconstruct` one chunk."""

    def encode(p, x):
        return _apply(p["E"], x.reshape(len(x), -1))

    def generate(p, w):
        return _apply(p["G"], w).reshape(-1, *config.image)

    def reconstruct(p, x):
        return generate(p, encode(p, x))

    p = jax.tree.map(jnp.array, {name: _network(config, weights, name) for name in "GE"})
    functions = {f.__name__: jax.jit(f) for f in (encode, generate, reconstruct)}
    return {name: lambda array, f=f: np.asarray(f(p, array)) for name, f in functions.items()}
