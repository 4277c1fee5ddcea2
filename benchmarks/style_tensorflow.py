"""StyleALAE written by hand in TensorFlow: the authors' training step at one level of detail, and inference."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from alae_core import Config


@dataclass(frozen=True)
class Networks:
    """F, G, E and D at one level of detail; `p` holds the weights by name."""

    p: Mapping[str, tf.Variable]
    mapping_layers: int
    lod: int
    blend: float = 1.0

    def F(self, z):
        """Map z to w."""
        x = z * tf.math.rsqrt(tf.reduce_mean(tf.square(z), 1, keepdims=True) + 1e-8)
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
            x = self._blur(self._up_conv(f"{block}/conv1", x)) if i else x
            for k in (1, 2):
                x = self._conv(f"{block}/conv2", x) if k == 2 else x
                x = _leaky(x + noise[2 * i + k - 1] * p[f"{block}/styled{k}/noise"] + p[f"{block}/styled{k}/bias"])
                mean, variance = self._moments(x)
                s = self._dense(f"{block}/styled{k}/style", w[:, 2 * i + k - 1], gain=1.0)[:, None, None]
                s0, s1 = tf.split(s, 2, axis=-1)
                x = (x - mean) * tf.math.rsqrt(variance + 1e-8) * (s0 + 1) + s1
        image = self._to_rgb(self.lod, x)
        return image if below is None else below * (1 - self.blend) + image * self.blend

    def E(self, x):
        """Map images to w."""
        image, w = x, 0.0
        x = self._from_rgb(self.lod, x)
        for i in range(self.lod, -1, -1):
            part = 0.0
            for k in (1, 2):
                block, name = f"E/block{i}", f"E/block{i}/described{k}"
                x = self._conv(f"{block}/conv1", x) if k == 1 else self._down_conv(f"{block}/conv2", self._blur(x))
                x = _leaky(x + self.p[f"{name}/bias"])
                mean, variance = self._moments(x)
                part += self._dense(f"{name}/style", tf.concat([mean, tf.sqrt(variance + 1e-10)], -1)[:, 0, 0])
                x = (x - mean) * tf.math.rsqrt(variance + 1e-5)
            if i == self.lod and self.blend < 1:
                part = part * self.blend
                x = self._from_rgb(i - 1, _down(image)) * (1 - self.blend) + x * self.blend
            w += part
        return w

    def _blur(self, x):
        x = tf.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
        x = (x[:, :-2] + 2 * x[:, 1:-1] + x[:, 2:]) / 4
        return (x[:, :, :-2] + 2 * x[:, :, 1:-1] + x[:, :, 2:]) / 4

    def _moments(self, x):
        return tf.nn.moments(x, (1, 2), keepdims=True)

    def _dense(self, name, x, gain=2**0.5, lrmul=1.0):
        kernel = self.p[f"{name}/kernel"]
        return tf.matmul(x, kernel * (gain / kernel.shape[0] ** 0.5 * lrmul)) + self.p[f"{name}/bias"] * lrmul

    def _kernel(self, name, gain=2**0.5):
        kernel = self.p[f"{name}/kernel"]
        return kernel * (gain / np.prod(kernel.shape[:3]) ** 0.5)

    def _conv(self, name, x, gain=2**0.5):
        return tf.nn.conv2d(x, self._kernel(name, gain), 1, "SAME")

    def _up_conv(self, name, x):
        return self._conv(name, _up(x))

    def _down_conv(self, name, x):
        return _down(self._conv(name, x))

    def _to_rgb(self, i, x):
        return self._conv(f"G/to_rgb{i}", x, 0.03) + self.p[f"G/to_rgb{i}/bias"]

    def _from_rgb(self, i, x):
        return _leaky(self._conv(f"E/from_rgb{i}", x) + self.p[f"E/from_rgb{i}/bias"], 0.04)


class Inference(Networks):
    """The same for TensorFlow's own kernels, which without gradients are faster than XLA's.

    Resampling is part of the convolution, a kernel of 4×4 with stride 2.
    """

    def _blur(self, x):
        kernel = np.outer([1, 2, 1], [1, 2, 1])[:, :, None, None] / 16
        kernel = np.repeat(kernel, x.shape[-1], axis=2).astype(np.float32)
        return tf.nn.depthwise_conv2d(x, kernel, (1, 1, 1, 1), "SAME")

    def _moments(self, x):
        mean = tf.reduce_mean(x, (1, 2), keepdims=True)
        return mean, tf.reduce_mean(tf.square(x - mean), (1, 2), keepdims=True)

    def _up_conv(self, name, x):
        kernel = tf.transpose(tf.reverse(_four_by_four(self._kernel(name)), (0, 1)), (0, 1, 3, 2))
        n, h, w, _ = x.shape
        return tf.nn.conv2d_transpose(x, kernel, (n, 2 * h, 2 * w, kernel.shape[2]), 2, "SAME")

    def _down_conv(self, name, x):
        return tf.nn.conv2d(x, _four_by_four(self._kernel(name)) / 4, 2, "SAME")


def _four_by_four(kernel):
    """Return the kernel (3, 3, …) summed over 2×2 neighbours."""
    kernel = tf.pad(kernel, ((1, 1), (1, 1), (0, 0), (0, 0)))
    kernel = kernel[1:] + kernel[:-1]
    return kernel[:, 1:] + kernel[:, :-1]


def _leaky(x, slope=0.2):
    return tf.nn.leaky_relu(x, slope)


def _up(x):
    return tf.repeat(tf.repeat(x, 2, axis=1), 2, axis=2)


def _down(x):
    return tf.nn.avg_pool2d(x, 2, 2, "VALID")


def make_step(config: Config, weights: dict[str, np.ndarray], images: np.ndarray, blend: float) -> Callable[[], object]:
    """Return a function that takes one training step on `images` of the level's resolution and returns its losses."""
    batch, gamma, choice, style = len(images), config.r1_gamma, config.adam, config.style
    lod, decay = (images.shape[1] // 4).bit_length() - 1, 0.5 ** (len(images) / config.average_halflife)
    layers = 2 * (lod + 1)
    p = {name: tf.Variable(value) for name, value in weights.items()}
    n = Networks(p, style.mapping_layers, lod, blend)
    F, G, E, D = n.F, n.G, n.E, n.D
    zeros = {name: tf.zeros_like(value) for name, value in p.items()}
    first, second, averages = (
        {name: tf.Variable(value) for name, value in group.items()} for group in (zeros, zeros, p)
    )
    counts = {name: tf.Variable(0.0) for name in "FGED"}
    mean_of_w = tf.Variable(tf.zeros(style.w))

    def update(networks, loss):
        trained = {name: value for name, value in p.items() if name[0] in networks}
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(list(trained.values()))
            value = loss()
        gradients = tape.gradient(value, trained)
        for name in networks:
            counts[name].assign_add(1.0)
        for name, gradient in gradients.items():
            tf.raw_ops.ResourceApplyAdam(
                var=p[name].handle,
                m=first[name].handle,
                v=second[name].handle,
                beta1_power=0.0,
                beta2_power=choice.beta2 ** counts[name[0]],
                lr=choice.learning_rate,
                beta1=choice.beta1,
                beta2=choice.beta2,
                epsilon=choice.epsilon,
                grad=gradient,
            )
        return value

    def draw():
        sizes = [4 * 2 ** (k // 2) for k in range(layers)]
        noise = [tf.random.normal((batch if k else 1, size, size, 1)) for k, size in enumerate(sizes)]
        z = tf.random.normal((batch, style.z))
        mean_of_w.assign_add((1 - style.w_mean_beta) * (tf.reduce_mean(F(z), 0) - mean_of_w))
        return z, noise

    def fake():
        z, noise = draw()
        w, other = F(z), F(tf.random.normal((batch, style.z)))
        cutoff = tf.random.uniform((), 1, layers + 1, tf.int32)
        return G(tf.where(tf.range(layers)[:, None] < cutoff, w[:, None], other[:, None]), noise)

    x = tf.constant(images)

    def discriminator():
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(x)
            real = D(E(x))
        gradient = tape.gradient(real, x)
        penalty = gamma / 2 * tf.reduce_mean(tf.reduce_sum(tf.square(gradient), axis=(1, 2, 3)))
        logits = D(E(tf.stop_gradient(fake())))
        return tf.reduce_mean(tf.nn.softplus(logits)) + tf.reduce_mean(tf.nn.softplus(-real)) + penalty

    def generator():
        return tf.reduce_mean(tf.nn.softplus(-D(E(fake()))))

    def reciprocity():
        z, noise = draw()
        w = F(z)
        code = E(G(tf.repeat(w[:, None], layers, axis=1), noise))
        return tf.reduce_mean(tf.square(tf.stop_gradient(w) - code))

    @tf.function(jit_compile=True, autograph=False)
    def run():
        losses = [update("ED", discriminator), update("FG", generator), update("EGF", reciprocity)]
        for name, average in averages.items():
            average.assign_add((1 - decay) * (p[name] - average))
        return losses

    return run


def make_inference(
    config: Config, weights: dict[str, np.ndarray], noise: Sequence[np.ndarray]
) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """Return functions that `encode`, `generate` and `reconstruct` one chunk, with one noise for all images."""
    p = {name: tf.Variable(value) for name, value in weights.items()}
    n = Inference(p, config.style.mapping_layers, config.lods - 1)
    maps = [tf.constant(each) for each in noise]

    def generate(w):
        return n.G(tf.repeat(w[:, None], 2 * config.lods, axis=1), maps)

    def compiled(function):
        run = tf.function(function, autograph=False)
        return lambda array: run(tf.constant(array)).numpy()

    functions = {"encode": n.E, "generate": generate, "reconstruct": lambda x: generate(n.E(x))}
    return {name: compiled(function) for name, function in functions.items()}
