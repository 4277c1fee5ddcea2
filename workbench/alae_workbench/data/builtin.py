"""Data sets with a name: the digits of scikit-learn, and data sets that Keras downloads."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from alae_workbench.data.memory import Arrays
from alae_workbench.data.source import DataError, Splits

# The data sets of Keras, and the file or folder that each has among Keras' downloads.
_KERAS = {"mnist": "mnist.npz", "fashion_mnist": "fashion-mnist", "cifar10": "cifar-10-batches-py"}


def needs_keras(name: str) -> bool:
    """Whether reading the data source `name` imports Keras, and with it a framework."""
    return name in _KERAS


def _read_digits() -> Splits:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    # Values 0 … 16 are scaled to 0 … 255.
    return Splits(Arrays(np.rint(bunch.images * (255 / 16)).astype(np.uint8), bunch.target))


def _read_keras(name: str) -> Splits:
    import keras

    try:
        (train, train_labels), (test, test_labels) = getattr(keras.datasets, name).load_data()
    except Exception as error:
        # Keras raises a bare Exception if the download fails, and NumPy's exceptions for a truncated file.
        path = Path(os.environ.get("KERAS_HOME", "~/.keras"), "datasets", _KERAS[name])
        raise DataError(
            f"{name} cannot be read: {str(error).splitlines()[0]}; "
            f"put it into {path}, or give a folder with your own copy, or the built-in digits"
        ) from error
    return Splits(Arrays(train, train_labels), Arrays(test, test_labels))


#: the function that reads each named data set; each raises DataError if it cannot be read
BUILTIN: dict[str, Callable[[], Splits]] = {
    "digits": _read_digits,
    **{name: partial(_read_keras, name) for name in _KERAS},
}
