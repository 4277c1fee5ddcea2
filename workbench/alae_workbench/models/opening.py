"""A trained model opened to be looked at: ready to run, with what a picture's caption says of it, and images for it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from alae_core import AlaeError, ArgumentError, Checkpoint, Config, View, load_backend, load_checkpoint
from alae_core.framework import framework_in_use
from alae_core.plugins import default_backend
from alae_workbench.data.load import fitted, load_data, load_images
from alae_workbench.data.source import Arrays, DataError, DataSet, Source, labels_for
from alae_workbench.data.training_data import TrainingData, training_data_of
from alae_workbench.storage.directory import Run

if TYPE_CHECKING:
    from alae_core import Alae
    from alae_workbench.faces.align import Crop


@dataclass(frozen=True)
class Opened:
    """A model, and the checkpoint that it is of.

    Attributes:
        model: its `view` is where it is to be looked at.
        checkpoint: where its weights are from.
        averaged: whether they are the running averages.
    """

    model: "Alae"
    checkpoint: Checkpoint
    averaged: bool

    @property
    def view(self) -> View | None:
        """Where it is looked at."""
        return self.model.view

    @property
    def training(self) -> TrainingData:
        """The images that the model was trained on, as far as its checkpoint records them."""
        return training_data_of(self.checkpoint)

    @property
    def run(self) -> Run | None:
        """The run that the model is of, if it lies in one."""
        try:
            return Run.of(self.checkpoint.path)
        except AlaeError:
            return None

    def caption(self, *more: str) -> str:
        """What a picture's caption says of the model, and more."""
        run = self.checkpoint.path.absolute().parent.parent.name
        networks = "averaged networks" if self.averaged else "networks as trained"
        view = [str(self.view)] if self.view else []
        return " · ".join([run, f"step {self.checkpoint.step:,}", *view, networks, *more])

    def images(self, source: str | None = None) -> Source:
        """Images to look at: of a named data set, a path or a single file; by default the run's own held-out ones.

        Raises DataError where there are none, or they do not fit the model.
        """
        training, config = self.training, self.model.config
        if source is not None:
            return load_images(source, config, margin=training.margin, fit=training.fit)
        return self.data().held_out

    def data(self, name: str | None = None) -> DataSet:
        """Images to train on and held-out ones, as `training.data` names them; by default the run's own.

        Raises DataError where there are none, or they do not fit the model.
        """
        training = self.training
        name = name or training.data
        if name is None:
            raise DataError(f"{self.checkpoint.path} does not say what images it was trained on: name some")
        # Where the run was trained without its unreadable images, so it is looked at.
        return load_data(
            name,
            self.model.config,
            margin=training.margin,
            fit=training.fit,
            held_out=training.held_out,
            skip_bad=True,
        )

    def aligned(self, photos: str, crop: "Crop", most: int, tell: Callable[[str], None] = print) -> Source:
        """The faces in a photo or a folder of photos, cut out as the model wants them; see `faces.photos`.

        Raises CheckpointError where what finds faces cannot be had, and DataError as `aligned_images` does, or where
        they do not fit the model.
        """
        from alae_workbench.faces.detector import Detector
        from alae_workbench.faces.photos import aligned_images

        config, margin = self.model.config, self.training.margin
        pixels = aligned_images(
            Detector(framework_in_use()), photos, config, margin=margin, crop=crop, most=most, tell=tell
        )
        return fitted(photos, Arrays(pixels), config, margin=margin)

    def look_at(
        self, source: "str | Source | None" = None, most: int | None = None
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """The first `most` images of a source as the model sees them, and their labels if it takes any."""
        images = self.images(source) if source is None or isinstance(source, str) else source
        return self._seen(images, np.arange(min(most or len(images), len(images))))

    def encodings(self, images: Source) -> Iterator[np.ndarray]:
        """w = E(x) of all images in their order, float32 (part, w), in parts: of a million images few are in memory."""
        for part in self.model.chunks(len(images), self.view):
            x, labels = self._seen(images, np.arange(part.start, part.stop))
            yield self.model.encode(x, labels=labels)

    def _seen(self, images: Source, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        view = self.view
        x = self.model.as_seen(images.images(indices, view.size if view else None), view)
        return x, labels_for(images, indices, self.model.config)


def open_model(
    path: str | Path,
    *,
    backend: str | None = None,
    device: str | None = None,
    averaged: bool = True,
    lod: int | None = None,
    **for_styles: Any,
) -> Opened:
    """Open a run or a checkpoint.

    What can be refused without a framework is refused before one is imported.

    Args:
        path: as for `alae_core.load_checkpoint`.
        backend, device, averaged: as for `alae_core.load`.
        lod: the level of detail to look at; by default where training had come to.
        for_styles: choices that only style models have, by name; None stands for none.

    Raises:
        ArgumentError: the model has no such level, or no styles and a choice for style models is given.
        CheckpointError, BackendError: as `alae_core.load`.
    """
    checkpoint = load_checkpoint(path)
    for name, value in {"lod": lod, **for_styles}.items():
        if value is not None:
            require_styles(checkpoint.config, name)
    if lod is not None and lod >= checkpoint.config.lods:
        raise ArgumentError("lod", f"is {lod}, but the model has the levels 0 … {checkpoint.config.lods - 1}")
    load_backend(backend or default_backend(), device, checkpoint.config.precision)
    model = checkpoint.model(averaged)
    if lod is not None:
        model.view = View(lod)
    return Opened(model, checkpoint, averaged)


def require_styles(config: Config, argument: str) -> None:
    """Raise ArgumentError, saying that `argument` is for style models, where this is none."""
    family = config.networks.family
    if family != "style":
        raise ArgumentError(argument, f"is for style models, but this one's networks are of the family {family}")
