"""The copy of a batch, and of each update's draws, to the device."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise
from math import prod
from typing import Any, Generic, TypeVar

import keras
import numpy as np
from keras import ops

from alae_core.augment import changes
from alae_core.config import Config
from alae_core.draws import Draws
from alae_core.framework import Framework
from alae_core.growth import Position
from alae_core.images import to_float
from alae_core.inputs import one_hot, require_images
from alae_core.model import Alae
from alae_core.networks.family import Family
from alae_core.shares import WHOLE, Share, select_rows
from alae_core.streams import noise_shapes, stream
from alae_core.updates import Batch

Tensor = TypeVar("Tensor")


class BatchPlacer(ABC, Generic[Tensor]):
    """Base class of `BaseRunner` that makes the `Batch` of each update from arrays.

    A subclass defines `to_device`. Everything in a batch is drawn for the whole batch, on the host or by `draw_noise`,
    also if this process trains on a part of it: so the numbers do not depend on how many devices train together.

    Attributes:
        share: the part of each batch that `put` receives; all other arrays have the rows of the whole batch.
    """

    backend: Framework
    model: Alae
    config: Config
    networks: Family
    share: Share = WHOLE

    @abstractmethod
    def to_device(self, array: np.ndarray) -> Tensor:
        """Return a copy of `array` on the device."""

    def rows_to_device(self, array: np.ndarray) -> Tensor:
        """Return `array`, this process's rows of an array with a row for each image, as a tensor of a batch."""
        return self.to_device(array)

    def draw_noise(self, count: int, key: int) -> Tensor:
        """Draw `count` numbers from N(0, 1) on the device, as a function of `key`."""
        return keras.random.normal((count,), dtype=self.config.dtype, seed=key)

    def put(self, images: np.ndarray, labels: np.ndarray | None = None) -> Batch:
        """See `Runner.put`; the batch does not have draws yet."""
        images = require_images(images)
        classes = next((self.rows_to_device(array) for array in one_hot(self.config, labels, len(images))), None)
        return Batch(self._from_bytes(images) if images.dtype == np.uint8 else self._rows_to_tensor(images), classes)

    def put_whole(self, images: np.ndarray, labels: np.ndarray | None = None) -> Batch:
        """Call `put` with this process's part of a whole batch."""
        return self.put(self._select_own(images), None if labels is None else self._select_own(np.asarray(labels)))

    def count_whole(self, batch: Batch) -> int:
        """Return the number of images of the whole batch of which `batch` is a part."""
        return len(batch.images) * (self.share.parts if self.share.is_separate else 1)

    def _make_batches(self, batch: Batch, draws: Mapping[str, Draws], here: Position, step: int) -> dict[str, Batch]:
        """Return `batch` with each update's draws, and the numbers of training step `step`, by the update's name."""
        augment = self.config.augment
        batch = batch._replace(
            blend=self._to_tensors(float(here.blend)) if self.networks.has_styles else None,
            r1_gamma=self._to_tensors(here.rates.r1_gamma),
            # An adaptive p is part of the state, and replaces this one in the step.
            augment_p=None if augment is None else self._to_tensors(augment.p),
        )
        return {
            update: batch._replace(draws=self._place_draws(batch, update, own, step)) for update, own in draws.items()
        }

    def _place_draws(self, batch: Batch, update: str, draws: Draws, step: int) -> Draws:
        """Return this process's rows of `draws` as tensors, with the noise that the device draws."""
        lod = self.networks.level_of(batch.images)
        augment = None if draws.augment is None or self.config.augment is None else changes(draws.augment)
        placed = Draws(self._own_rows_to_tensor(draws.z), augment=self._own_rows_to_tensor(augment))
        if lod is None or "noise" not in self.model.update(update).draws:
            return placed
        noise: list[Any]
        if draws.noise is None:
            noise = self.share_noise(self._draw_noise_maps(update, step, lod, self.count_whole(batch)))
        else:
            # The first map is for every image.
            noise = [self._to_tensors(draws.noise[0]), *map(self._own_rows_to_tensor, draws.noise[1:])]
        mix, cutoff = self._own_rows_to_tensor(draws.mix), self._to_tensors(draws.cutoff)
        return placed._replace(mix=mix, cutoff=cutoff, noise=noise)

    def share_noise(self, maps: list[Any]) -> list[Any]:
        """Return this process's rows of noise maps for the whole batch; the first map is for every image."""
        if self.share.parts == 1:
            return maps
        rows = select_rows(self.config, len(maps[-1]), self.share)
        return [maps[0], *(ops.take(each, rows, axis=0) for each in maps[1:])]

    def _own_rows_to_tensor(self, array: np.ndarray | None) -> Tensor | None:
        return None if array is None else self._rows_to_tensor(self._select_own(array))

    def _select_own(self, array: np.ndarray) -> np.ndarray:
        """Return this process's rows of an array with a row for each image of the whole batch."""
        return array if self.share.parts == 1 else array[select_rows(self.config, len(array), self.share)]

    def _to_tensors(self, value: Any) -> Any:
        """Convert every array and number in `value` to a tensor: integers to int32, others to the run's dtype."""
        if value is None:
            return None
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            return type(value)(*map(self._to_tensors, value))
        if isinstance(value, list | tuple):
            return [self._to_tensors(part) for part in value]
        return self.to_device(self._as_own_dtype(value))

    def _rows_to_tensor(self, array: np.ndarray) -> Tensor:
        return self.rows_to_device(self._as_own_dtype(array))

    def _as_own_dtype(self, value: Any) -> np.ndarray:
        array = np.asarray(value)
        return np.asarray(array, np.int32 if array.dtype.kind in "iu" else self.config.dtype)

    def _from_bytes(self, images: np.ndarray) -> Tensor:
        """Copy uint8 images to the device as bytes, and convert them there as `images.to_float` does.

        On a CPU, convert them with NumPy: calls of a framework take longer than the arithmetic, and PyTorch kernels on
        the loader's thread start their own thread pool, which competes with the step for cores (mnist-mlp on two cores:
        80 ms per step instead of 62).
        """
        if self.backend.device.startswith("cpu"):
            return self._rows_to_tensor(to_float(images))
        # The divisor is a tensor: XLA would replace division by a number by multiplication with its reciprocal, which
        # changes 111 of the 256 grey levels.
        floats = ops.cast(self.rows_to_device(images), "float32")
        return ops.cast(floats / ops.full_like(floats, 127.5) - 1, self.config.dtype)

    def _draw_noise_maps(self, update: str, step: int, lod: int, count: int) -> list[Tensor]:
        """Return the noise maps that one update draws at a training step: `streams.noise_shapes` on the device."""
        shapes = tuple(noise_shapes(lod, count))
        key = int(stream(self.config.seed, f"noise/{update}", step).integers(2**31))
        # Draw all maps at once: launching a kernel for each of many small maps takes longer than drawing them.
        return self._divide_noise(self.draw_noise(sum(map(prod, shapes)), key), shapes)

    def _divide_noise(self, numbers: Tensor, shapes: tuple[tuple[int, ...], ...]) -> list[Tensor]:
        """Call `divide`; a framework in which every call is slow compiles it."""
        return divide(numbers, shapes)


def divide(numbers: Any, shapes: Sequence[tuple[int, ...]]) -> list[Any]:
    """Return the parts of a vector as tensors of these shapes, in order."""
    ends = list(accumulate(map(prod, shapes)))
    return [
        ops.reshape(numbers[start:end], shape) for shape, (start, end) in zip(shapes, pairwise([0, *ends]), strict=True)
    ]
