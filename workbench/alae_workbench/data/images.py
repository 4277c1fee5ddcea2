"""Images in memory, the one form every source takes, and the ranges between which they are converted."""

from dataclasses import dataclass

import numpy as np

from alae_core import AlaeError, Config
from alae_core.latents import stream


class DataError(AlaeError):
    """A data set is missing, unreadable, or does not fit the configuration."""


@dataclass(frozen=True)
class Images:
    """Images as uint8 of shape (count, H, W, C), with class numbers (count,) where there are any."""

    pixels: np.ndarray
    labels: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.pixels.dtype != np.uint8 or self.pixels.ndim not in (3, 4):
            raise DataError(
                f"images must be uint8 of shape (count, height, width) or (count, height, width, channels), "
                f"but are {self.pixels.dtype} of shape {self.pixels.shape}"
            )
        if self.pixels.ndim == 3:
            object.__setattr__(self, "pixels", self.pixels[..., None])
        if self.labels is not None:
            object.__setattr__(self, "labels", np.asarray(self.labels).reshape(-1).astype(np.int64))
            if len(self.labels) != len(self.pixels):
                raise DataError(f"there are {len(self.pixels)} images, but {len(self.labels)} labels")

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, chosen: slice | np.ndarray) -> "Images":
        return Images(self.pixels[chosen], None if self.labels is None else self.labels[chosen])

    def framed(self, margin: int) -> "Images":
        """The images with `margin` black pixels on each side."""
        if not margin:
            return self
        sides = ((0, 0), (margin, margin), (margin, margin), (0, 0))
        return Images(np.pad(self.pixels, sides), self.labels)

    def labels_for(self, config: Config) -> np.ndarray | None:
        """The labels, if a model of `config` takes any."""
        return self.labels if config.labels else None

    def floats(self) -> np.ndarray:
        """The images as the networks see them: float32 in [−1, 1]."""
        return to_float(self.pixels)


@dataclass(frozen=True)
class DataSet:
    """Images to train on and images kept out of training; `skipped` counts unreadable ones left out."""

    train: Images
    held_out: Images
    skipped: int


def to_float(pixels: np.ndarray) -> np.ndarray:
    """uint8 / 127.5 − 1: float32 in [−1, 1]."""
    return pixels.astype(np.float32) / np.float32(127.5) - np.float32(1)


def to_uint8(images: np.ndarray) -> np.ndarray:
    """The nearest grey levels of float images in [−1, 1]; values outside are clipped."""
    return np.clip(np.rint((images + 1) * 127.5), 0, 255).astype(np.uint8)


def split(images: Images, held_out: int) -> tuple[Images, Images]:
    """(train, held-out): `held_out` random images are kept out, the same ones whatever a run's seed.

    Raises DataError where nothing would be left to train on.
    """
    if held_out >= len(images):
        raise DataError(
            f"training.held_out is {held_out}, but there are only {len(images)} images in all: set it lower"
        )
    order = stream(0, "held-out images").permutation(len(images))
    # Kept in their own order, so that grids and encodings line up with the source.
    return images[np.sort(order[held_out:])], images[np.sort(order[:held_out])]
