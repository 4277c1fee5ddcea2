"""StyleALAE written by hand in JAX: the authors' training step at one level of detail, and inference."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from alae_core import Config


@dataclass(frozen=True)
class Networks:
    """F, G, E and D at one level of detail; `p` holds the weights by name."""

    p: Mapping[str, jax.Array]
    mapping_layers: int
    lod: int
    blend: float = 1.0

    def F(self, z):
        """Map z to w."""
        x = z / jnp.sqrt(jnp.square(z).mean(1, keepdims=True) + 1e-8)
        for i in range(self.mapping_layers):
            x = _leaky(self._dense(f"F/dense{i}", x, lrmul=0.1))
        return x

    def D(self, w):
        """Map w to logits."""
        for i in range(3):
            w = self._dense(f"D/dense{i}", w, lrmul=0.1)
        return w[:, 0]

    def G(self, w, noise):
        """Map one style per layer, and noise maps, to images."""
        p, x, below = self.p, self.p["G/const"][None], None
        for i in range(self.lod + 1):
            if i == self.lod and self.blend < 1:
                below = _up(self._to_rgb(i - 1, x))
            block = f"G/block{i}"
            x = _blur(self._up_conv(f"{block}/conv1", x)) if i else x
            for k in (1, 2):
                x = self._conv(f"{block}/conv2", x) if k == 2 else x
                x = _leaky(x + noise[2 * i + k - 1] * p[f"{block}/styled{k}/noise"] + p[f"{block}/styled{k}/bias"])
                mean, variance = _moments(x)
                s = self._dense(f"{block}/styled{k}/style", w[:, 2 * i + k - 1], gain=1.0)[:, None, None]
                s0, s1 = jnp.split(s, 2, axis=-1)
                x = (x - mean) / jnp.sqrt(variance + 1e-8) * (s0 + 1) + s1
        image = self._to_rgb(self.lod, x)
        return image if below is None else below * (1 - self.blend) + image * self.blend

    def E(self, x):
        """Map images to w."""
        image, w = x, 0.0
        x = self._from_rgb(self.lod, x)
        for i in range(self.lod, -1, -1):
            part = 0.0
            for k in (1, 2):
                name = f"E/block{i}/described{k}"
                x = self._conv(f"E/block{i}/conv1", x) if k == 1 else self._down_conv(f"E/block{i}/conv2", _blur(x))
                x = _leaky(x + self.p[f"{name}/bias"])
                mean, variance = _moments(x)
                statistics = jnp.concatenate([mean, jnp.sqrt(variance + 1e-10)], -1)[:, 0, 0]
                part = part + self._dense(f"{name}/style", statistics)
                x = (x - mean) / jnp.sqrt(variance + 1e-5)
            if i == self.lod and self.blend < 1:
                part = part * self.blend
                x = self._from_rgb(i - 1, _down(image)) * (1 - self.blend) + x * self.blend
            w = w + part
        return w

    def _dense(self, name, x, gain=2**0.5, lrmul=1.0):
        kernel = self.p[f"{name}/kernel"]
        return x @ (kernel * (gain / len(kernel) ** 0.5 * lrmul)) + self.p[f"{name}/bias"] * lrmul

    def _kernel(self, name, gain=2**0.5):
        kernel = self.p[f"{name}/kernel"]
        return kernel * (gain / np.prod(kernel.shape[:3]) ** 0.5)

    def _conv(self, name, x, gain=2**0.5):
        return _convolution(x, self._kernel(name, gain))

    def _up_conv(self, name, x):
        return self._conv(name, _up(x))

    def _down_conv(self, name, x):
        return _down(self._conv(name, x))

    def _to_rgb(self, i, x):
        return self._conv(f"G/to_rgb{i}", x, 0.03) + self.p[f"G/to_rgb{i}/bias"]

    def _from_rgb(self, i, x):
        return _leaky(self._conv(f"E/from_rgb{i}", x) + self.p[f"E/from_rgb{i}/bias"], 0.04)


class Inference(Networks):
    """The same, but resampling is part of the convolution, a kernel of 4×4 with stride 2."""

    def _up_conv(self, name, x):
        kernel = _four_by_four(self._kernel(name))
        # Each 2×2 window gives 2×2 pixels, computed as four times the channels: XLA transposes more slowly.
        taps = jnp.stack([kernel[1 - i :: 2, 1 - j :: 2] for i in (0, 1) for j in (0, 1)], axis=3)
        x = _convolution(x, taps.reshape(2, 2, kernel.shape[2], -1), padding=((1, 1), (1, 1)))
        n, h, w, _ = x.shape
        x = x.reshape(n, h, w, 2, 2, -1).transpose(0, 1, 3, 2, 4, 5).reshape(n, 2 * h, 2 * w, -1)
        return x[:, 1:-1, 1:-1]

    def _down_conv(self, name, x):
        return _convolution(x, _four_by_four(self._kernel(name)) / 4, stride=2, padding=((1, 1), (1, 1)))


def _four_by_four(kernel):
    """Return the kernel (3, 3, …) summed over 2×2 neighbours."""
    kernel = jnp.pad(kernel, ((1, 1), (1, 1), (0, 0), (0, 0)))
    kernel = kernel[1:] + kernel[:-1]
    return kernel[:, 1:] + kernel[:, :-1]


def _convolution(x, kernel, stride=1, padding="SAME"):
    order = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(x, kernel, (stride, stride), padding, dimension_numbers=order)


def _leaky(x, slope=0.2):
    return jax.nn.leaky_relu(x, slope)


def _up(x):
    return x.repeat(2, axis=1).repeat(2, axis=2)


def _down(x):
    n, h, w, c = x.shape
    return x.reshape(n, h // 2, 2, w // 2, 2, c).mean((2, 4))


def _blur(x):
    x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    x = (x[:, :-2] + 2 * x[:, 1:-1] + x[:, 2:]) / 4
    return (x[:, :, :-2] + 2 * x[:, :, 1:-1] + x[:, :, 2:]) / 4


def _moments(x):
    mean = x.mean((1, 2), keepdims=True)
    return mean, jnp.square(x - mean).mean((1, 2), keepdims=True)


def make_step(config: Config, weights: dict[str, np.ndarray], images: np.ndarray, blend: float) -> Callable[[], object]:
    """Return a function that takes one training step on `images` of the level's resolution and returns its losses."""
    batch, gamma, adam, style = len(images), config.r1_gamma, config.adam, config.style
    lod, decay = (images.shape[1] // 4).bit_length() - 1, 0.5 ** (len(images) / config.average_halflife)
    layers = 2 * (lod + 1)

    def networks(p):
        return Networks(p, style.mapping_layers, lod, blend)

    def styles(n, z, mix, cutoff):
        w, other = n.F(z), n.F(mix)
        return jnp.where(jnp.arange(layers)[:, None] < cutoff, w[:, None], other[:, None])

    def discriminator_loss(mine, others, x, draw):
        n = networks(mine | others)
        real, pull_back = jax.vjp(lambda x: n.D(n.E(x)), x)
        (gradient,) = pull_back(jnp.ones_like(real))
        fake = n.D(n.E(jax.lax.stop_gradient(n.G(styles(n, *draw[:3]), draw[3]))))
        penalty = gamma / 2 * jnp.square(gradient).sum((1, 2, 3)).mean()
        return jax.nn.softplus(fake).mean() + jax.nn.softplus(-real).mean() + penalty

    def generator_loss(mine, others, x, draw):
        n = networks(mine | others)
        return jax.nn.softplus(-n.D(n.E(n.G(styles(n, *draw[:3]), draw[3])))).mean()

    def reciprocity_loss(mine, others, x, draw):
        n = networks(mine | others)
        w = n.F(draw[0])
        code = n.E(n.G(w[:, None].repeat(layers, axis=1), draw[3]))
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
            mean = mean + (1 - style.w_mean_beta) * (networks(p).F(draw[0]).mean(0) - mean)
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


def make_inference(
    config: Config, weights: dict[str, np.ndarray], noise: Sequence[np.ndarray]
) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """Return functions that `encode`, `generate` and `reconstruct` one chunk, with one noise for all images."""
    lod, layers = config.lods - 1, 2 * config.lods

    def networks(p):
        return Inference(p, config.style.mapping_layers, lod)

    def generate(p, noise, w):
        return networks(p).G(w[:, None].repeat(layers, axis=1), noise)

    @jax.jit
    def encode(p, noise, x):
        return networks(p).E(x)

    @jax.jit
    def reconstruct(p, noise, x):
        return generate(p, noise, networks(p).E(x))

    p, maps = jax.tree.map(jnp.array, (weights, list(noise)))
    functions = {"encode": encode, "generate": jax.jit(generate), "reconstruct": reconstruct}
    return {name: lambda array, f=f: np.asarray(f(p, maps, array)) for name, f in functions.items()}
