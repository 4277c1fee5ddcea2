"""Feature spaces that distances of images are measured in: fixed functions of bytes, the same under every framework."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Protocol

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image

from alae_workbench.evaluation.cache import Keep

#: features (count, width), float32, of images uint8 (count, H, W, C)
Features = Callable[[np.ndarray], np.ndarray]


class Space(Protocol):
    """A feature space.

    Attributes:
        name: what the names of measures end in; another one wherever any number would be another.
        width: how many features an image has.
    """

    name: str
    width: int

    def opened(self, keep: Keep) -> Features:
        """What answers the features. Raises UnmeasurableError, saying what to do, where it has no weights."""


class Random64:
    """64 features of a small convolutional network whose weights were drawn once and never trained.

    Naeem et al. 2020 (section 4.2) find such networks fair judges of images that are far from photographs, where a
    network trained on ImageNet sees little. Images are shrunk to 32 pixels, by means over areas, where they are larger;
    grey ones count as colour. Three convolutions of 3×3 with ReLU, the last two at every other pixel, 16 random
    combinations of the channels, and the mean of each over each quarter of the image.
    """

    name, width = "random64", 64
    _SIZE, _CHANNELS, _SEED = 32, (3, 32, 64, 128), 0

    def opened(self, keep: Keep) -> Features:
        """See `Space`."""
        return self._of_all

    def _of_all(self, images: np.ndarray) -> np.ndarray:
        parts = [self._features(images[start : start + 64]) for start in range(0, len(images), 64)]
        return np.concatenate(parts) if parts else np.empty((0, self.width), np.float32)

    def _features(self, images: np.ndarray) -> np.ndarray:
        x = shrunk(in_colour(images), self._SIZE).astype(np.float32) / np.float32(127.5) - np.float32(1)
        *kernels, mixing = self._weights()
        for i, kernel in enumerate(kernels):
            windows = sliding_window_view(np.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)], "edge"), (3, 3), (1, 2))
            every = 2 if i and x.shape[1] > 4 else 1
            x = np.maximum(np.tensordot(windows[:, ::every, ::every], kernel, ([4, 5, 3], [0, 1, 2])), 0)
        x = x @ mixing
        height, width = x.shape[1] // 2, x.shape[2] // 2
        rows, columns = (slice(None, height or 1), slice(height, None)), (slice(None, width or 1), slice(width, None))
        quarters = [x[:, row, column].mean(axis=(1, 2)) for row in rows for column in columns]
        return np.concatenate(quarters, axis=1).astype(np.float32)

    @cache  # noqa: B019 - a space is a constant
    def _weights(self) -> Sequence[np.ndarray]:
        random = np.random.Generator(np.random.Philox(self._SEED))
        pairs = zip(self._CHANNELS, self._CHANNELS[1:], strict=False)
        kernels = [random.standard_normal((3, 3, *pair)) * np.sqrt(2 / (9 * pair[0])) for pair in pairs]
        mixing = random.standard_normal((self._CHANNELS[-1], 16)) / np.sqrt(self._CHANNELS[-1])
        return [each.astype(np.float32) for each in (*kernels, mixing)]


def in_colour(images: np.ndarray) -> np.ndarray:
    """Images (count, H, W, C) with three channels: the first three, or where there are fewer the first, repeated."""
    return images[..., :3] if images.shape[3] >= 3 else images[..., :1].repeat(3, axis=3)


def shrunk(images: np.ndarray, size: int) -> np.ndarray:
    """Images uint8 (count, H, W, 3) whose longer side is `size` at the most: means over areas, by Pillow's BOX."""
    height, width = images.shape[1:3]
    longer = max(height, width)
    if longer <= size:
        return images
    shape = max(1, round(width * size / longer)), max(1, round(height * size / longer))
    return np.stack([np.asarray(Image.fromarray(image).resize(shape, Image.Resampling.BOX)) for image in images])
