"""The subject of a measure: a model, images, and a limit of their number."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from alae_core import Alae, View
from alae_workbench.data.labels import select_labels
from alae_workbench.data.source import DataSet, Source
from alae_workbench.evaluation.cache import Cache
from alae_workbench.evaluation.registry import UnmeasurableError


@dataclass(frozen=True)
class Subject:
    """A model and the images to measure it on; the argument of every measure.

    Attributes:
        model: the model.
        data: training and held-out images. None suffices for measures of samples alone.
        view: the level of detail to measure at; default `model.view`.
        limit: maximum number of z, samples and images that a measure uses; None is the measure's own default.
        cache: cached features, weights of other networks, and progress.
        own: whether the model was trained on `data`.
    """

    model: Alae
    data: DataSet | None = None
    view: View | None = None
    limit: int | None = None
    cache: Cache = field(default_factory=Cache)
    own: bool = True

    def __post_init__(self) -> None:
        """Fill in the model's own view."""
        if self.view is None:
            object.__setattr__(self, "view", self.model.view)

    @property
    def train(self) -> Source:
        """The training images. Raises UnmeasurableError if `data` is None."""
        return self._data().train

    @property
    def held_out(self) -> Source:
        """The held-out images. Raises UnmeasurableError if `data` is None."""
        return self._data().held_out

    def require_own(self) -> None:
        """Raise UnmeasurableError if the model was not trained on the images."""
        if not self.own:
            raise UnmeasurableError("it compares training images with others, but the model was not trained on these")

    def _data(self) -> DataSet:
        if self.data is None:
            raise UnmeasurableError("it needs images, and none were given")
        return self.data

    def count(self, most: int) -> int:
        """Return `most`, or the limit if that is lower."""
        return min(self.limit or most, most)

    def batches(
        self, source: Source, count: int | None = None, start: int = 0
    ) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
        """Yield the first images of a source as the model sees them, float (batch, H, W, C), and their labels.

        Labels are None unless the model takes any. Memory use does not depend on the number of images.

        Args:
            source: the images.
            count: how many; default all, or the limit if that is lower.
            start: index of the first image of a batch; batches before it are skipped.
        """
        for part in self.model.chunks(self.count(len(source)) if count is None else count, self.view):
            if part.start >= start:
                indices = np.arange(part.start, part.stop)
                images = source.images(indices, self.view.size if self.view else None)
                yield self.model.as_seen(images, self.view), select_labels(source, indices, self.model.config)

    def reconstructions(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield batches of held-out images and their reconstructions without noise, which may leave [−1, 1]."""
        for x, labels in self.batches(self.held_out):
            yield x, self.model.reconstruct(x, self.view, noise="none", labels=labels)

    def batch_starts(self, count: int, index: int) -> list[int]:
        """Return where the batches of `count` images start, from the one that contains image `index`."""
        starts = [part.start for part in self.model.chunks(count, self.view)]
        first = max(start for start in starts if start <= index)
        return [start for start in starts if start >= first]
