"""Baselines of the reconstruction error: the errors of predictions that need no model."""

import numpy as np

from alae_workbench.evaluation.registry import NEIGHBOURS
from alae_workbench.evaluation.subject import Subject

# Limits that keep the comparison of large images under a minute: multiplications, and numbers held in memory.
_MOST_PRODUCTS, _MOST_NUMBERS = 2 * 10**11, 5 * 10**7


def measure_baselines(subject: Subject) -> dict[str, float]:
    """Return the reconstruction errors of two predictions of a held-out image x in [−1, 1], means over pixels.

    Uses the first 10,000 training images, and as many held-out images as `reconstruction_error`, or the first of them
    if the images are large.

    Returns:
        mean_image_error: (x − m)², where m is the mean of the training images.
        nearest_image_error: (x − t)², where t is the training image with the smallest error.
    """
    train = min(len(subject.train), NEIGHBOURS)
    numbers = int(np.prod(next(subject.batches(subject.train, 1))[0].shape))
    most = max(1, min(_MOST_PRODUCTS // (numbers * train), _MOST_NUMBERS // numbers))
    held_out = min(subject.count(len(subject.held_out)), most)
    x = np.concatenate([_flatten(batch) for batch, _ in subject.batches(subject.held_out, held_out)])
    norms, total = np.square(x).sum(axis=1), np.zeros(numbers)
    nearest = np.full(len(x), np.inf)
    for batch, _ in subject.batches(subject.train, train):
        images = _flatten(batch)
        total += images.sum(axis=0, dtype=np.float64)
        squares = norms[:, None] + np.square(images).sum(axis=1) - 2 * x @ images.T
        nearest = np.minimum(nearest, squares.min(axis=1))
    return {
        "mean_image_error": float(np.square(x - total / train).mean()),
        "nearest_image_error": float(np.maximum(nearest, 0).mean() / numbers),
    }


def _flatten(images: np.ndarray) -> np.ndarray:
    return images.reshape(len(images), -1)
