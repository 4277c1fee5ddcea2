"""Load exported functions with TensorFlow. Needs only NumPy and tensorflow."""

import tensorflow as tf


def load(folder, name):
    """Load the function `name` of the export in `folder`; it takes NumPy arrays by the names of its inputs."""
    model = tf.saved_model.load(str(folder / name))

    def call(**inputs):
        # The model is kept, because its signature does not keep its variables alive.
        tensors = {key: tf.constant(array) for key, array in inputs.items()}
        return next(iter(model.signatures["serving_default"](**tensors).values())).numpy()

    return call
