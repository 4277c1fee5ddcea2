"""Opening a trained model: its networks on a backend, the options it accepts, and the images it was trained on."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from alae_core import AlaeError, Checkpoint, View, load_backend, load_checkpoint
from alae_core.backend_lookup import default_backend, require_shared_batches
from alae_core.config import Precision
from alae_core.run_source import name_source
from alae_core.spread import Devices, Spread, require_kind
from alae_workbench.data.labels import select_labels
from alae_workbench.data.load import fit_images, load_data, load_images, load_other_data
from alae_workbench.data.memory import Arrays, as_source
from alae_workbench.data.options import DEFAULTS
from alae_workbench.data.resolve import make_absolute, require_found
from alae_workbench.data.source import DataError, DataSet, Source
from alae_workbench.data.training_data import (
    FINGERPRINT,
    TrainingData,
    options_for_other_images,
    source_options_of,
    training_data_of,
)
from alae_workbench.models.latent_files import open_latents
from alae_workbench.models.option_checks import check_options, require_style
from alae_workbench.storage.directory import Run

if TYPE_CHECKING:
    from alae_core import Alae
    from alae_workbench.faces.align import Crop

#: images for a model: see `OpenedModel.load_images`
Images = str | Path | np.ndarray | Source | None
#: a few held-out images in the directory of an exported run
EXAMPLES = "examples.npz"
#: key of the card's content in the `run` of an exported checkpoint
CARD_KEY = "card"


@dataclass(frozen=True)
class OpenedModel:
    """A model ready to run, and the checkpoint it was loaded from.

    Attributes:
        model: the networks; `model.view` is the level of detail to use.
        checkpoint: the checkpoint with their weights.
        averaged: whether the weights are the averaged ones.
        skip_bad: whether `load_images` skips unreadable picture files, and prints how many, instead of refusing them.
    """

    model: "Alae"
    checkpoint: Checkpoint
    averaged: bool
    skip_bad: bool = False

    @property
    def view(self) -> View | None:
        """The level of detail to use; None for networks that do not grow."""
        return self.model.view

    @property
    def training(self) -> TrainingData:
        """The images the model was trained on; defaults for settings the checkpoint did not record."""
        return training_data_of(self.checkpoint)

    @property
    def run(self) -> Run | None:
        """The run directory that contains the checkpoint, or None."""
        try:
            return Run.find(self.checkpoint.path)
        except AlaeError:
            return None

    def make_caption(self, *details: str) -> str:
        """Return the caption of a figure: run, step, resolution, kind of networks, and `details`."""
        path = self.checkpoint.path.absolute()
        source = name_source(path)
        run = Path(source).stem if source else path.parent.parent.name
        networks = "averaged networks" if self.averaged else "networks as trained"
        view = [str(self.view)] if self.view else []
        return " · ".join([run, f"step {self.checkpoint.step:,}", *view, networks, *details])

    def load_images(
        self, source: Images = None, labels: str | None = None, part: Literal["test", "train"] = "test"
    ) -> Source:
        """Load the images in `source`.

        Args:
            source: a named data set, path or picture file; a .npy or .npz file of latents, which stand for their images
                G(w); an array of images, as `train` takes; or a `Source`, which is returned as it is. By default the
                run's held-out images, or the examples of an exported run.
            labels: which labels of a data set are read, as `--labels`; by default the first that docs/data.md lists.
            part: which split of a data set is read, if it has any.

        Raises DataError if they cannot be found or do not fit the model, and as `open_latents`.
        """
        training, config = self.training, self.model.config
        if isinstance(source, (str, Path)):
            if (latents := open_latents(source, self.model, labels)) is not None:
                return latents
            return load_images(str(source), config, part=part, **self._reading_of_others(labels))
        if isinstance(source, np.ndarray):
            images = as_source(source, options_for_other_images(self.checkpoint).wide_range)
            # Images that the model drew have the margin already.
            return fit_images("source", images, config, margin=0 if images.shape == config.image else training.margin)
        if source is not None:
            return source
        examples = self.run and self.run.path / EXAMPLES
        if not (examples and examples.exists()):
            return self.load_data(labels=labels).held_out
        # They have the margin already.
        return load_images(str(examples), config, options=replace(DEFAULTS, labels=labels))

    def load_data(self, name: str | None = None, labels: str | None = None) -> DataSet:
        """Load the data set `name` (see `training.data`), divided as for training; by default the run's own.

        Of other images at most half are held out, and unreadable ones are refused unless `skip_bad`. `labels` chooses
        among the labels, as `--labels`.

        Raises DataError if it cannot be found or does not fit the model.
        """
        training, config = self.training, self.model.config
        if name is not None and not self._is_place_of_own(name):
            return load_other_data(name, config, held_out=training.held_out, **self._reading_of_others(labels))
        if training.data is None:
            raise DataError(
                f"{self.checkpoint.path} does not record which images it was trained on: name a data set with --data"
            )
        options = source_options_of(training, self.checkpoint)
        # Training skipped unreadable images, so the same split needs them skipped.
        return load_data(
            name or require_found(training.data, self.checkpoint.path),
            config,
            margin=training.margin,
            fit=training.fit,
            held_out=training.held_out,
            skip_bad=True,
            options=options if labels is None else replace(options, labels=labels),
        )

    def is_own(self, name: str | None, data: DataSet) -> bool:
        """Whether `data`, loaded from `name` by `load_data`, are the run's own, which may have been moved."""
        recorded = self.checkpoint.run.get(FINGERPRINT)
        return name is None or self._is_place_of_own(name) or recorded == data.fingerprint

    def _is_place_of_own(self, name: str) -> bool:
        # A relative path is of an exported run, and may name anything here.
        own = self.training.data
        return own is not None and make_absolute(own) == own == make_absolute(name)

    def _reading_of_others(self, labels: str | None) -> dict[str, Any]:
        """Return arguments of `load_images` and `load_other_data`: how images other than the run's own are read."""
        training = self.training
        return {
            "margin": training.margin,
            "fit": training.fit,
            "tell_skipped": print if self.skip_bad else None,
            "options": options_for_other_images(self.checkpoint, labels),
        }

    def load_faces(self, photos: str, crop: "Crop", limit: int, tell: Callable[[str], None] = print) -> Source:
        """Crop up to `limit` upright faces, at the model's image size, from a photo or a folder of photos.

        Args:
            photos: a picture file or a folder.
            crop: how much of a face's surroundings to include: see `faces.align.face_square`.
            limit: maximum number of faces.
            tell: called with one line about each photo.

        Raises:
            CheckpointError: the weights of the face networks are not installed.
            DataError: as `faces.photos.read_aligned_faces`, or the faces do not fit the model.
        """
        from alae_workbench.faces.detector import Detector
        from alae_workbench.faces.photos import read_aligned_faces

        config, margin = self.model.config, self.training.margin
        pixels = read_aligned_faces(Detector(), photos, config, margin=margin, crop=crop, limit=limit, tell=tell)
        return fit_images(photos, Arrays(pixels), config, margin=margin)

    def read_images(self, source: Images = None, limit: int | None = None) -> tuple[np.ndarray, np.ndarray | None]:
        """Read the first `limit` images of `source` (see `load_images`) as the model takes them, and their labels.

        Returns:
            Floats (count, H, W, C) in [−1, 1], and class numbers (count,), or None for a model without labels.
        """
        images = self.load_images(source)
        return self._read(images, np.arange(min(limit or len(images), len(images))))

    def read_in_batches(
        self, images: Source, limit: int | None = None
    ) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
        """Yield the first `limit` of `images` a batch at a time, as `read_images` returns them: few are in memory."""
        for part in self.model.chunks(min(limit or len(images), len(images)), self.view):
            yield self._read(images, np.arange(part.start, part.stop))

    def encode_images(self, images: Source) -> Iterator[np.ndarray]:
        """Encode all `images` in order, a batch at a time: float32 (batch, w)."""
        return (self.model.encode(x, labels=labels) for x, labels in self.read_in_batches(images))

    def _read(self, images: Source, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        view = self.view
        x = self.model.as_seen(images.images(indices, view.size if view else None), view)
        return x, select_labels(images, indices, self.model.config)


def open_model(
    path: str | Path,
    *,
    backend: str | None = None,
    device: str | None = None,
    devices: Devices | None = None,
    averaged: bool = True,
    lod: int | None = None,
    style_task: str | None = None,
    skip_bad: bool = False,
    precision: Precision | None = None,
    **options: Any,
) -> OpenedModel:
    """Open a run directory or a checkpoint.

    Options that do not apply to the model are refused before a framework is imported.

    Args:
        path: as for `alae_core.load_checkpoint`.
        backend, device, averaged: as for `alae_core.load`.
        devices: number of devices of this machine that share each batch; "all" of the kind of `device`.
        lod: level of detail to use; by default the one training had reached.
        style_task: a task that only style models can do, such as "style mixing"; named in the error for other models.
        skip_bad: see `OpenedModel`.
        precision: precision to compute in; by default the configuration's.
        options: other options to check: see `check_options`.

    Raises:
        ArgumentError: an option does not apply to this model.
        AlaeError: `style_task` is given, and this is not a style model.
        CheckpointError, BackendError: as `alae_core.load`.
    """
    checkpoint = load_checkpoint(path)
    if precision is not None:
        checkpoint = replace(checkpoint, config=checkpoint.config.model_copy(update={"precision": precision}))
    if style_task is not None:
        require_style(checkpoint.config, style_task)
    check_options(checkpoint.config, checkpoint.view, lod=lod, **options)
    backend, spread = backend or default_backend(), None
    if devices not in (None, 1):
        require_shared_batches(backend)
        require_kind(device)
        spread = Spread(devices)
    load_backend(backend, device, checkpoint.config.precision, spread)
    model = checkpoint.model(averaged)
    if lod is not None:
        model.view = View(lod)
    return OpenedModel(model, checkpoint, averaged, skip_bad)
