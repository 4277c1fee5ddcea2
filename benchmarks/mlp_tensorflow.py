"""MLP-ALAE written by hand in TensorFlow: the training step and inference."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from alae_core import Config


def _network(config, weights, name):
    depth = len(getattr(config.networks, name).hidden) + 1
    names = [(f"{name}/dense{i}/kernel", f"{name}/dense{i}/bias") for i in range(depth)]
    return [(tf.Variable(weights[kernel]), tf.Variable(weights[bias])) for kernel, bias in names]


def _apply(layers, x):
    for kernel, bias in layers[:-1]:
        x = tf.nn.leaky_relu(tf.nn.bias_add(tf.matmul(x, kernel), bias), 0.2)
    kernel, bias = layers[-1]
    return tf.nn.bias_add(tf.matmul(x, kernel), bias)


def make_step(config: Config, weights: dict[str, np.ndarray], images: np.ndarray) -> Callable[[], object]:
    """Return a function that takes one training step on `images` and returns its losses."""
    batch, gamma, choice = len(images), config.r1_gamma, config.adam
    decay = 0.5 ** (batch / config.average_halflife)

    F, G, E, D = (_network(config, weights, name) for name in "FGED")

    def variables(*networks):
        return [variable for layers in networks for pair in layers for variable in pair]

    trained = [variables(E, D), variables(F, G), variables(E, G)]
    moments = [[(tf.Variable(tf.zeros_like(p)), tf.Variable(tf.zeros_like(p))) for p in group] for group in trained]
    averages = [tf.Variable(variable) for variable in variables(F, G, E, D)]
    t = tf.Variable(0.0)

    def prior():
        return tf.random.normal((batch, config.networks.z))

    def update(index, loss):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(trained[index])
            value = loss()
        gradients = tape.gradient(value, trained[index])
        for variable, gradient, (m, v) in zip(trained[index], gradients, moments[index], strict=True):
            tf.raw_ops.ResourceApplyAdam(
                var=variable.handle,
                m=m.handle,
                v=v.handle,
                beta1_power=0.0,
                beta2_power=choice.beta2**t,
                lr=choice.learning_rate,
                beta1=choice.beta1,
                beta2=choice.beta2,
                epsilon=choice.epsilon,
                grad=gradient,
            )
        return value

    x = tf.constant(images.reshape(batch, -1))

    def discriminator():
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(x)
            real = _apply(D, _apply(E, x))
        gradient = tape.gradient(real, x)
        fake = _apply(D, _apply(E, tf.stop_gradient(_apply(G, _apply(F, prior())))))
        penalty = gamma / 2 * tf.reduce_mean(tf.reduce_sum(tf.square(gradient), axis=1))
        return tf.reduce_mean(tf.nn.softplus(fake)) + tf.reduce_mean(tf.nn.softplus(-real)) + penalty

    def generator():
        return tf.reduce_mean(tf.nn.softplus(-_apply(D, _apply(E, _apply(G, _apply(F, prior()))))))

    def reciprocity():
        w = _apply(F, prior())
        return tf.reduce_mean(tf.reduce_sum(tf.square(w - _apply(E, _apply(G, w))), axis=1))

    @tf.function(jit_compile=True, autograph=False)
    def run():
        t.assign_add(1.0)
        losses = [update(index, loss) for index, loss in enumerate((discriminator, generator, reciprocity))]
        for average, variable in zip(averages, variables(F, G, E, D), strict=True):
            average.assign_add((1 - decay) * (variable - average))
        return losses

    return run


def make_inference(
    config: Config, weights: dict[str, np.ndarray], jit=False
) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """Return functions that `encode`, `generate` and `reconstruct` one chunk."""
    G, E = (_network(config, weights, name) for name in "GE")

    def encode(x):
        return _apply(E, tf.reshape(x, (x.shape[0], -1)))

    def generate(w):
        return tf.reshape(_apply(G, w), (-1, *config.image))

    # Without XLA: TensorFlow's own matrix products are faster, and inference does not have gradients to fuse.
    def compiled(function):
        run = tf.function(function, autograph=False)
        return lambda array: run(tf.constant(array)).numpy()

    functions = {"encode": encode, "generate": generate, "reconstruct": lambda x: generate(encode(x))}
    return {name: compiled(function) for name, function in functions.items()}
