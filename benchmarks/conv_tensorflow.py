"""The compact recipe written by hand in TensorFlow: convolutional networks, their training step, and inference."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from alae_core import Config
from benchmarks.schedule import schedule


@dataclass(frozen=True)
class Networks:
    """F, G, E and D of `p`, weights by name."""

    p: Mapping[str, tf.Variable]
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
        x = self._dense("G/dense1", _leaky(self._dense("G/dense0", w)))
        x = tf.reshape(x, (-1, side, side, widths[0]))
        for i in range(len(widths)):
            x = _enlarge(x) if i else x
            x = self._conv(f"G/conv{i}", self._refine("G", i, x))
        return tf.tanh(x)

    def E(self, x):
        """Map images to w."""
        for i in reversed(range(len(self.config.conv.widths) - 1)):
            x = tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]])
            x = self._refine("E", i, self._conv(f"E/conv{i}", x, strides=2, padding="VALID"))
        x = tf.reshape(x, (x.shape[0], -1))
        return _normalize(self._dense("E/dense1", _leaky(self._dense("E/dense0", x))))

    def _refine(self, network, i, x):
        if i < self.config.conv.residual:
            x = x + self._conv(f"{network}/residual{i}", _leaky(x))
        return _leaky(x)

    def _dense(self, name, x):
        return tf.nn.bias_add(tf.matmul(x, self.p[f"{name}/kernel"]), self.p[f"{name}/bias"])

    def _conv(self, name, x, strides=1, padding="SAME"):
        return tf.nn.bias_add(tf.nn.conv2d(x, self.p[f"{name}/kernel"], strides, padding), self.p[f"{name}/bias"])


def _enlarge(x):
    # Two products with matrices: XLA does not compile the gradient of tf.image.resize.
    size = x.shape[1]
    old = np.arange(2 * size) // 2
    beside = np.clip(old + np.tile([-1, 1], size), 0, size - 1)
    matrix = tf.constant(0.75 * np.eye(size)[old] + 0.25 * np.eye(size)[beside], x.dtype)
    return tf.einsum("ih,jw,nhwc->nijc", matrix, matrix, x)


def _leaky(x):
    return tf.nn.leaky_relu(x, 0.2)


def _normalize(x):
    return x * tf.math.rsqrt(tf.reduce_mean(tf.square(x), 1, keepdims=True) + 1e-8)


def make_step(config: Config, weights: dict[str, np.ndarray], images: np.ndarray) -> Callable[..., list[object]]:
    """Return a function that takes one training step on `images` and returns its losses.

    It takes the z of the two adversarial updates, arrays (batch, z); without them it draws them.
    """
    batch, gamma, choice, count = len(images), config.r1_gamma, config.adam, -1
    p = {name: tf.Variable(value) for name, value in weights.items()}
    n = Networks(p, config)
    F, G, E, D = n.F, n.G, n.E, n.D
    averages = {name: tf.Variable(value) for name, value in p.items()}

    def choose(networks):
        return {name: value for name, value in p.items() if name[0] in networks}

    moments = {
        networks: {name: [tf.Variable(tf.zeros_like(value)) for _ in "mv"] for name, value in choose(networks).items()}
        for networks in ("ED", "FG", "EG")
    }
    counts = {networks: tf.Variable(0.0) for networks in moments}

    def update(networks, loss, rate):
        trained = choose(networks)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(list(trained.values()))
            value = loss()
        gradients = tape.gradient(value, trained)
        t = counts[networks].assign_add(1.0)
        for name, gradient in gradients.items():
            m, v = moments[networks][name]
            tf.raw_ops.ResourceApplyAdam(
                var=p[name].handle,
                m=m.handle,
                v=v.handle,
                beta1_power=0.0,
                beta2_power=choice.beta2**t,
                lr=rate,
                beta1=choice.beta1,
                beta2=choice.beta2,
                epsilon=choice.epsilon,
                grad=gradient,
            )
        return value

    x = tf.constant(images)

    def discriminator(z):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(x)
            real = D(E(x))
        gradient = tape.gradient(real, x)
        w = F(z)
        codes = E(G(w))
        penalty = gamma / 2 * tf.reduce_mean(tf.reduce_sum(tf.square(gradient), (1, 2, 3)))
        adversarial = tf.reduce_mean(tf.nn.softplus(-real)) + tf.reduce_mean(tf.nn.softplus(D(codes)))
        return adversarial + penalty + tf.reduce_mean(tf.square(w - codes))

    def generator(z):
        w = F(z)
        codes = E(G(w))
        distance = tf.reduce_mean(tf.square(tf.stop_gradient(w) - codes))
        return tf.reduce_mean(tf.nn.softplus(-D(codes))) + distance

    def pixels():
        return tf.reduce_mean(tf.square(x - G(E(x))))

    @tf.function(jit_compile=True, autograph=False)
    def draw():
        return [tf.random.normal((batch, config.networks.z)) for _ in range(2)]

    @tf.function(jit_compile=True, autograph=False)
    def step(rate, decay, z, with_pixels):
        losses = [update("ED", lambda: discriminator(z[0]), rate)]
        losses.append(update("FG", lambda: generator(z[1]), rate))
        if with_pixels:
            losses.append(update("EG", pixels, rate))
        for name, average in averages.items():
            average.assign_add((1 - decay) * (p[name] - average))
        return losses

    def run(z=None):
        nonlocal count
        count += 1
        rates = [tf.constant(number, tf.float32) for number in schedule(config, count)]
        return step(
            *rates, draw() if z is None else [tf.constant(each) for each in z], count % config.updates.every == 0
        )

    return run


def make_inference(config: Config, weights: dict[str, np.ndarray]) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """Return functions that `encode`, `generate` and `reconstruct` one chunk."""
    n = Networks({name: tf.Variable(value) for name, value in weights.items()}, config)

    def compiled(function):
        run = tf.function(function, autograph=False)
        return lambda array: run(tf.constant(array)).numpy()

    functions = {"encode": n.E, "generate": n.G, "reconstruct": lambda x: n.G(n.E(x))}
    return {name: compiled(function) for name, function in functions.items()}
