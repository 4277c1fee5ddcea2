"""Feature spaces, in which distances of images are measured: fixed functions of bytes, equal on every framework."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Protocol

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image

from alae_workbench.evaluation.cache import Cache
from alae_workbench.evaluation.registry import SPACES, load

#: a function from images uint8 (count, H, W, C) to their features, float32 (count, width)
Features = Callable[[np.ndarray], np.ndarray]


class Space(Protocol):
    """A feature space.

    Attributes:
        name: the ending of its measures' names. If any number changes, the name must change too.
        width: number of features of an image.
    """

    name: str
    width: int

    def features(self, cache: Cache) -> Features:
        """Return the function that computes features. Raises UnmeasurableError if its weights are not available."""


def load_space(name: str) -> Space:
    """Return the feature space of that name."""
    space: Space = load(SPACES[name])
    return space


class Random64:
    """64 features of a small convolutional network with random weights, which are drawn once and never trained.

    Naeem et al. 2020 (section 4.2) recommend random networks for images that differ much from photographs. The network
    has three 3×3 convolutions with ReLU, the last two of stride 2, and 16 random combinations of the channels, each
    averaged over each quarter of the image. Images larger than 32 pixels are downsampled by area means; grey images are
    converted to colour.
    """

    name, width = "random64", 64
    _SIZE, _CHANNELS, _SEED = 32, (3, 32, 64, 128), 0

    def features(self, cache: Cache) -> Features:
        """See `Space`."""
        return self._compute_all_features

    def _compute_all_features(self, images: np.ndarray) -> np.ndarray:
        parts = [self._compute_features(images[start : start + 64]) for start in range(0, len(images), 64)]
        return np.concatenate(parts) if parts else np.empty((0, self.width), np.float32)

    def _compute_features(self, images: np.ndarray) -> np.ndarray:
        x = downsample(to_colour(images), self._SIZE).astype(np.float32) / np.float32(127.5) - np.float32(1)
        *kernels, mixing = self._draw_weights()
        for i, kernel in enumerate(kernels):
            windows = sliding_window_view(np.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)], "edge"), (3, 3), (1, 2))
            stride = 2 if i and x.shape[1] > 4 else 1
            x = np.maximum(np.tensordot(windows[:, ::stride, ::stride], kernel, ([4, 5, 3], [0, 1, 2])), 0)
        x = x @ mixing
        height, width = x.shape[1] // 2, x.shape[2] // 2
        rows, columns = (slice(None, height or 1), slice(height, None)), (slice(None, width or 1), slice(width, None))
        quarters = [x[:, row, column].mean(axis=(1, 2)) for row in rows for column in columns]
        return np.concatenate(quarters, axis=1).astype(np.float32)

    @cache  # noqa: B019 - there is one instance, RANDOM64
    def _draw_weights(self) -> Sequence[np.ndarray]:
        random = np.random.Generator(np.random.Philox(self._SEED))
        pairs = zip(self._CHANNELS, self._CHANNELS[1:], strict=False)
        kernels = [random.standard_normal((3, 3, *pair)) * np.sqrt(2 / (9 * pair[0])) for pair in pairs]
        mixing = random.standard_normal((self._CHANNELS[-1], 16)) / np.sqrt(self._CHANNELS[-1])
        return [weight.astype(np.float32) for weight in (*kernels, mixing)]


RANDOM64 = Random64()


def to_colour(images: np.ndarray) -> np.ndarray:
    """Return images (count, H, W, C) with three channels: the first three, or the first one repeated if C < 3."""
    return images[..., :3] if images.shape[3] >= 3 else images[..., :1].repeat(3, axis=3)


def downsample(images: np.ndarray, size: int) -> np.ndarray:
    """Shrink images uint8 (count, H, W, 3) to a longer side of at most `size` pixels, by Pillow's BOX filter."""
    height, width = images.shape[1:3]
    longer = max(height, width)
    if longer <= size:
        return images
    shape = max(1, round(width * size / longer)), max(1, round(height * size / longer))
    return np.stack([np.asarray(Image.fromarray(image).resize(shape, Image.Resampling.BOX)) for image in images])
