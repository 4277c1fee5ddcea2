"""StyleALAE's training step, at one level and with the authors' updates, as one would write it in TensorFlow."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from alae_core import Config


def make_step(config: Config, weights: dict[str, np.ndarray], images: np.ndarray, blend: float) -> Callable[[], object]:
    """A function that trains one step on `images`, of the level's resolution, and returns something to wait for."""
    batch, gamma, choice, style = len(images), config.r1_gamma, config.adam, config.style
    lod, decay = (images.shape[1] // 4).bit_length() - 1, 0.5 ** (len(images) / config.average_halflife)
    layers = 2 * (lod + 1)
    p = {name: tf.Variable(value) for name, value in weights.items()}

    def dense(name, x, gain=2**0.5, lrmul=1.0):
        kernel = p[f"{name}/kernel"]
        return tf.matmul(x, kernel * (gain / kernel.shape[0] ** 0.5 * lrmul)) + p[f"{name}/bias"] * lrmul

    def conv(name, x, gain=2**0.5):
        kernel = p[f"{name}/kernel"]
        return tf.nn.conv2d(x, kernel * (gain / np.prod(kernel.shape[:3]) ** 0.5), 1, "SAME")

    def leaky(x, slope=0.2):
        return tf.nn.leaky_relu(x, slope)

    def up(x):
        return tf.repeat(tf.repeat(x, 2, axis=1), 2, axis=2)

    def down(x):
        return tf.nn.avg_pool2d(x, 2, 2, "VALID")

    def blur(x):
        x = tf.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
        x = (x[:, :-2] + 2 * x[:, 1:-1] + x[:, 2:]) / 4
        return (x[:, :, :-2] + 2 * x[:, :, 1:-1] + x[:, :, 2:]) / 4

    def F(z):
        x = z * tf.math.rsqrt(tf.reduce_mean(tf.square(z), 1, keepdims=True) + 1e-8)
        for i in range(style.mapping_layers):
            x = leaky(dense(f"F/dense{i}", x, lrmul=0.1))
        return x

    def D(w):
        for i in range(3):
            w = dense(f"D/dense{i}", w, lrmul=0.1)
        return w[:, 0]

    def to_rgb(i, x):
        return conv(f"G/to_rgb{i}", x, 0.03) + p[f"G/to_rgb{i}/bias"]

    def G(w, noise):
        x = p["G/const"][None]
        for i in range(lod + 1):
            below = up(to_rgb(i - 1, x)) if i == lod else None
            block = f"G/block{i}"
            x = blur(conv(f"{block}/conv1", up(x))) if i else x
            for k in (1, 2):
                x = conv(f"{block}/conv2", x) if k == 2 else x
                x = leaky(x + noise[2 * i + k - 1] * p[f"{block}/styled{k}/noise"] + p[f"{block}/styled{k}/bias"])
                mean, variance = tf.nn.moments(x, (1, 2), keepdims=True)
                s = dense(f"{block}/styled{k}/style", w[:, 2 * i + k - 1], gain=1.0)[:, None, None]
                s0, s1 = tf.split(s, 2, axis=-1)
                x = (x - mean) * tf.math.rsqrt(variance + 1e-8) * (s0 + 1) + s1
        return below * (1 - blend) + to_rgb(lod, x) * blend

    def from_rgb(i, x):
        return leaky(conv(f"E/from_rgb{i}", x) + p[f"E/from_rgb{i}/bias"], 0.04)

    def E(x):
        image, w = x, 0.0
        x = from_rgb(lod, x)
        for i in range(lod, -1, -1):
            part = 0.0
            for k in (1, 2):
                name = f"E/block{i}/described{k}"
                x = conv(f"E/block{i}/conv1", x) if k == 1 else down(conv(f"E/block{i}/conv2", blur(x)))
                x = leaky(x + p[f"{name}/bias"])
                mean, variance = tf.nn.moments(x, (1, 2), keepdims=True)
                part += dense(f"{name}/style", tf.concat([mean, tf.sqrt(variance + 1e-10)], -1)[:, 0, 0])
                x = (x - mean) * tf.math.rsqrt(variance + 1e-5)
            if i == lod:
                part, x = part * blend, from_rgb(lod - 1, down(image)) * (1 - blend) + x * blend
            w += part
        return w

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
