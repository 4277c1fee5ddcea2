"""StyleALAE's training step, at one level and with the authors' updates, as one would write it in JAX."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from alae_core import Config


def make_step(config: Config, weights: dict[str, np.ndarray], images: np.ndarray, blend: float) -> Callable[[], object]:
    """A function that trains one step on `images`, of the level's resolution, and returns something to wait for."""
    batch, gamma, adam, style = len(images), config.r1_gamma, config.adam, config.style
    lod, decay = (images.shape[1] // 4).bit_length() - 1, 0.5 ** (len(images) / config.average_halflife)
    layers = 2 * (lod + 1)

    def dense(p, name, x, gain=2**0.5, lrmul=1.0):
        kernel = p[f"{name}/kernel"]
        return x @ (kernel * (gain / len(kernel) ** 0.5 * lrmul)) + p[f"{name}/bias"] * lrmul

    def conv(p, name, x, gain=2**0.5):
        kernel = p[f"{name}/kernel"]
        kernel = kernel * (gain / np.prod(kernel.shape[:3]) ** 0.5)
        return jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))

    def leaky(x, slope=0.2):
        return jax.nn.leaky_relu(x, slope)

    def up(x):
        return x.repeat(2, axis=1).repeat(2, axis=2)

    def down(x):
        n, h, w, c = x.shape
        return x.reshape(n, h // 2, 2, w // 2, 2, c).mean((2, 4))

    def blur(x):
        x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
        x = (x[:, :-2] + 2 * x[:, 1:-1] + x[:, 2:]) / 4
        return (x[:, :, :-2] + 2 * x[:, :, 1:-1] + x[:, :, 2:]) / 4

    def moments(x):
        mean = x.mean((1, 2), keepdims=True)
        return mean, jnp.square(x - mean).mean((1, 2), keepdims=True)

    def F(p, z):
        x = z / jnp.sqrt(jnp.square(z).mean(1, keepdims=True) + 1e-8)
        for i in range(style.mapping_layers):
            x = leaky(dense(p, f"F/dense{i}", x, lrmul=0.1))
        return x

    def D(p, w):
        for i in range(3):
            w = dense(p, f"D/dense{i}", w, lrmul=0.1)
        return w[:, 0]

    def to_rgb(p, i, x):
        return conv(p, f"G/to_rgb{i}", x, 0.03) + p[f"G/to_rgb{i}/bias"]

    def G(p, w, noise):
        x = p["G/const"][None]
        for i in range(lod + 1):
            below = up(to_rgb(p, i - 1, x)) if i == lod else None
            block = f"G/block{i}"
            x = blur(conv(p, f"{block}/conv1", up(x))) if i else x
            for k in (1, 2):
                x = conv(p, f"{block}/conv2", x) if k == 2 else x
                x = leaky(x + noise[2 * i + k - 1] * p[f"{block}/styled{k}/noise"] + p[f"{block}/styled{k}/bias"])
                mean, variance = moments(x)
                s = dense(p, f"{block}/styled{k}/style", w[:, 2 * i + k - 1], gain=1.0)[:, None, None]
                s0, s1 = jnp.split(s, 2, axis=-1)
                x = (x - mean) / jnp.sqrt(variance + 1e-8) * (s0 + 1) + s1
        return below * (1 - blend) + to_rgb(p, lod, x) * blend

    def from_rgb(p, i, x):
        return leaky(conv(p, f"E/from_rgb{i}", x) + p[f"E/from_rgb{i}/bias"], 0.04)

    def E(p, x):
        image, w = x, 0.0
        x = from_rgb(p, lod, x)
        for i in range(lod, -1, -1):
            part = 0.0
            for k in (1, 2):
                name = f"E/block{i}/described{k}"
                x = conv(p, f"E/block{i}/conv1", x) if k == 1 else down(conv(p, f"E/block{i}/conv2", blur(x)))
                x = leaky(x + p[f"{name}/bias"])
                mean, variance = moments(x)
                statistics = jnp.concatenate([mean, jnp.sqrt(variance + 1e-10)], -1)[:, 0, 0]
                part = part + dense(p, f"{name}/style", statistics)
                x = (x - mean) / jnp.sqrt(variance + 1e-5)
            if i == lod:
                part, x = part * blend, from_rgb(p, lod - 1, down(image)) * (1 - blend) + x * blend
            w = w + part
        return w

    def styles(p, z, mix, cutoff):
        w, other = F(p, z), F(p, mix)
        return jnp.where(jnp.arange(layers)[:, None] < cutoff, w[:, None], other[:, None])

    def discriminator_loss(mine, others, x, draw):
        p = mine | others
        real, pull_back = jax.vjp(lambda x: D(p, E(p, x)), x)
        (gradient,) = pull_back(jnp.ones_like(real))
        fake = D(p, E(p, jax.lax.stop_gradient(G(p, styles(p, *draw[:3]), draw[3]))))
        penalty = gamma / 2 * jnp.square(gradient).sum((1, 2, 3)).mean()
        return jax.nn.softplus(fake).mean() + jax.nn.softplus(-real).mean() + penalty

    def generator_loss(mine, others, x, draw):
        p = mine | others
        return jax.nn.softplus(-D(p, E(p, G(p, styles(p, *draw[:3]), draw[3])))).mean()

    def reciprocity_loss(mine, others, x, draw):
        p = mine | others
        w = F(p, draw[0])
        code = E(p, G(p, w[:, None].repeat(layers, axis=1), draw[3]))
        return jnp.square(jax.lax.stop_gradient(w) - code).mean()

    def draws(key):
        keys = jax.random.split(key, layers + 3)
        z, mix = (jax.random.normal(k, (batch, style.z)) for k in keys[:2])
        shapes = [(batch if k else 1, 4 * 2 ** (k // 2), 4 * 2 ** (k // 2), 1) for k in range(layers)]
        noise = [jax.random.normal(k, shape) for k, shape in zip(keys[3:], shapes, strict=True)]
        return z, mix, jax.random.randint(keys[2], (), 1, layers + 1), noise

    @partial(jax.jit, donate_argnums=0)
    def step(state, x):
        p, averages, second, mean, t, key = state
        p, second, losses = {**p}, {**second}, []
        for loss, trained in ((discriminator_loss, "ED"), (generator_loss, "FG"), (reciprocity_loss, "EGF")):
            key, now = jax.random.split(key)
            draw = draws(now)
            mean = mean + (1 - style.w_mean_beta) * (F(p, draw[0]).mean(0) - mean)
            mine = {name: value for name, value in p.items() if name[0] in trained}
            others = {name: value for name, value in p.items() if name[0] not in trained}
            value, gradients = jax.value_and_grad(loss)(mine, others, x, draw)
            t = {name: t[name] + (name in trained) for name in t}
            for name, gradient in gradients.items():
                second[name] = adam.beta2 * second[name] + (1 - adam.beta2) * gradient**2
                rate = adam.learning_rate * jnp.sqrt(1 - adam.beta2 ** t[name[0]])
                p[name] = p[name] - rate * gradient / (jnp.sqrt(second[name]) + adam.epsilon)
            losses.append(value)
        averages = jax.tree.map(lambda a, p: a + (1 - decay) * (p - a), averages, p)
        return (p, averages, second, mean, t, key), losses

    p = {name: jnp.array(value) for name, value in weights.items()}
    second = jax.tree.map(jnp.zeros_like, p)
    state = (
        p,
        jax.tree.map(jnp.copy, p),
        second,
        jnp.zeros(style.w),
        {network: jnp.zeros(()) for network in "FGED"},
        jax.random.key(0),
    )
    x = jnp.array(images)

    def run():
        nonlocal state
        state, losses = step(state, x)
        return losses

    return run
