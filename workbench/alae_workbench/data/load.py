"""Load images for a configuration: resolve the data source, read its images, and fit them to the model."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

from alae_core._support.text import count_things
from alae_core.config import Config
from alae_workbench.data.collection import Collection, DecodedOnRequest, decode
from alae_workbench.data.derived import add_margin, split, split_other
from alae_workbench.data.in_hand import open_in_hand
from alae_workbench.data.labels import describe_labels, is_labelled
from alae_workbench.data.listing import describe_skipped
from alae_workbench.data.memory import Arrays
from alae_workbench.data.options import DEFAULTS, SourceOptions
from alae_workbench.data.picture_file import Reading
from alae_workbench.data.reading import decide_reading
from alae_workbench.data.resolve import Contents, open_source
from alae_workbench.data.source import DataError, DataSet, Fit, Source, Splits, format_shape


def load_data(
    name: str,
    config: Config,
    *,
    margin: int = 0,
    fit: Fit = "crop",
    held_out: float,
    skip_bad: bool = False,
    options: SourceOptions = DEFAULTS,
) -> DataSet:
    """Load a data source, split into training and held-out images.

    Args:
        name: see `resolve.open_source`.
        config: the configuration, which determines the images' shape and the number of classes.
        margin: black pixels on each side of an image, within that shape.
        fit: how picture files of another shape are fitted (`picture_file.read_image`).
        held_out: number of held-out images, or if below 1 the fraction of all images; unused for a source with a
            test split.
        skip_bad: leave out unreadable picture files instead of refusing them.
        options: which images and labels of the source are read, and how.

    Raises:
        DataError: the data source does not exist, cannot be read, or does not fit the configuration.
    """
    splits = _Frame(name, config, margin).read(fit, skip_bad, options)
    return _make_data_set(splits, lambda images: split(images, held_out))


def load_images(
    name: str,
    config: Config,
    *,
    part: Literal["test", "train"] = "test",
    margin: int = 0,
    fit: Fit = "crop",
    tell_skipped: Callable[[str], None] | None = None,
    options: SourceOptions = DEFAULTS,
) -> Source:
    """Load the images of a data source for a trained model, in their own order: one of its splits, or else all images.

    Args:
        name, config, margin, fit, options: see `load_data`.
        part: the split to load, if the source has any.
        tell_skipped: called with a line about unreadable pictures, which are then skipped; by default they are refused.

    Raises DataError as `load_data` does, and for any unreadable picture unless `tell_skipped` is given.
    """
    splits = _read_for_model(name, config, margin, fit, tell_skipped, options)
    return splits.images if splits.test is None or part == "train" else splits.test


def load_other_data(
    name: str,
    config: Config,
    *,
    margin: int = 0,
    fit: Fit = "crop",
    held_out: float,
    tell_skipped: Callable[[str], None] | None = None,
    options: SourceOptions = DEFAULTS,
) -> DataSet:
    """Load a data source that a model was not trained on, divided like that of its training.

    Args:
        name, config, margin, fit, tell_skipped, options: see `load_images`.
        held_out: see `load_data`; at most half of the images are held out.

    Raises DataError as `load_images` does, and if there is only one image.
    """
    splits = _read_for_model(name, config, margin, fit, tell_skipped, options)
    return _make_data_set(splits, lambda images: split_other(images, held_out))


def _read_for_model(
    name: str,
    config: Config,
    margin: int,
    fit: Fit,
    tell_skipped: Callable[[str], None] | None,
    options: SourceOptions,
) -> Splits:
    splits = _Frame(name, config, margin, trained=True).read(fit, tell_skipped is not None, options)
    if tell_skipped and splits.skipped:
        tell_skipped(f"{count_things(splits.skipped, 'unreadable image')} in {name} skipped")
    return splits


def as_data_set(
    data: Any,
    config: Config,
    *,
    held_out: float,
    margin: int = 0,
    fit: Fit = "crop",
    options: SourceOptions = DEFAULTS,
) -> DataSet:
    """Convert images in memory to a data set that fits the configuration.

    Args:
        data: a data set, which is only checked; or images as `in_hand.open_in_hand` takes them, which get the margin
            and are split. Pass labels as `Arrays(pixels, labels)`, or as pairs of an image and a label.
        config, held_out, margin, fit, options: see `load_data`.

    Raises:
        DataError: `data` has another type, or its images or labels do not fit the configuration.
    """
    if isinstance(data, DataSet):
        for name, source in (("data.train", data.train), ("data.held_out", data.held_out)):
            _Frame(name, config).fit(source)
        return data
    splits = _Frame("data", config, margin).read_contents(open_in_hand(data, options), fit, False, options)
    return _make_data_set(splits, lambda images: split(images, held_out))


def _make_data_set(splits: Splits, divide: Callable[[Source], tuple[Source, Source]]) -> DataSet:
    parts = (splits.images, splits.test) if splits.test is not None else divide(splits.images)
    return DataSet(*parts, splits.skipped, splits.interpretation, splits.skipped_files, splits.value_range)


def fit_images(name: str, images: Source, config: Config, *, margin: int = 0) -> Source:
    """Add the margin to images in memory for a trained model; `name` denotes them in messages.

    Raises DataError if their shape or labels do not fit the configuration.
    """
    return _Frame(name, config, margin, trained=True).fit(images)


# Bytes of decoded pictures that are kept for a trained model, which mostly reads them once.
_KEPT_FOR_MODELS = 2**26


@dataclass(frozen=True)
class _Frame:
    """The shape and labels that the images of `name` must have.

    If the model is `trained`, messages do not advise changing its configuration.
    """

    name: str
    config: Config
    margin: int = 0
    trained: bool = False

    @property
    def inner_shape(self) -> tuple[int, int, int]:
        """H, W and C of an image without the margin."""
        height, width, channels = self.config.image
        return height - 2 * self.margin, width - 2 * self.margin, channels

    def read(self, fit: Fit, skip_bad: bool = False, options: SourceOptions = DEFAULTS) -> Splits:
        """Open the data source, decode its picture files, and fit its images."""
        return self.read_contents(open_source(self.name, options), fit, skip_bad, options)

    def read_contents(self, contents: Contents, fit: Fit, skip_bad: bool, options: SourceOptions) -> Splits:
        """Decode the picture files of an opened data source, and fit its images."""
        if isinstance(contents, Splits):
            splits = _note_crop_box(contents, options)
        else:
            splits = self._read_pictures(contents, fit, skip_bad, options)
        test = None if splits.test is None else self.fit(splits.test)
        return replace(splits, images=self.fit(splits.images), test=test)

    def _read_pictures(self, pictures: Collection, fit: Fit, skip_bad: bool, options: SourceOptions) -> Splits:
        parts = [pictures, *([pictures.test] if pictures.test else [])]
        reading, text = decide_reading(self.name, [part.files for part in parts], fit, options)
        decoded = [self._decode(part, reading, skip_bad) for part in parts]
        return Splits(
            decoded[0][0],
            decoded[1][0] if pictures.test else None,
            sum(skipped for _, skipped in decoded),
            text,
            describe_skipped(pictures.skipped),
            None if options.early else str(reading.wide or ""),
        )

    def _decode(self, pictures: Collection, reading: Reading, skip_bad: bool) -> tuple[Arrays | DecodedOnRequest, int]:
        """Return the readable images, and the number of the others."""
        images, faults = decode(pictures, self.inner_shape, reading, _KEPT_FOR_MODELS if self.trained else None)
        if images is None or (faults and not skip_bad):
            raise self._make_unreadable_error(faults, images)
        return images, len(faults)

    def fit(self, source: Source) -> Source:
        """Add the margin; raise DataError unless shape and labels are those of the configuration."""
        source = add_margin(source, self.margin)
        if not len(source):
            raise DataError(f"{self.name} holds no images")
        if source.shape != self.config.image:
            advice = f"choose a preset of that size, or set image=[{','.join(map(str, source.shape))}]"
            raise DataError(
                f"the images of {self.name} are {format_shape(source.shape)}"
                f"{f' with the margin of {self.margin}' if self.margin else ''}, "
                f"but the configuration says {format_shape(self.config.image)}: "
                f"{'give a folder of picture files, which are resized and converted' if self.trained else advice}"
            )
        if self.needs_classes:
            self._require_classes(source)
        return source

    @property
    def needs_classes(self) -> bool:
        """Whether every image needs a class: to train, or because the networks that reconstruct images take it."""
        config = self.config
        used = "FEG" if config.reciprocity == "z" else "EG"
        return any(map(config.classes_of, used)) if self.trained else config.labels > 0

    def _require_classes(self, source: Source) -> None:
        labels = source.labels
        classes = self.config.labels
        advice = f"give images of the model's classes 0 … {classes - 1}" if self.trained else "set labels=0"
        if labels is None:
            found = describe_labels(source).removeprefix("none")
            raise DataError(f"labels is {classes}, but {self.name} has no labels{found}: {advice}")
        if labels.ndim > 1:
            raise DataError(
                f"labels is {classes}, but {self.name} has {labels.shape[1]} attributes per image, not a class: "
                f"{advice}"
            )
        missing = len(labels) - int(is_labelled(labels).sum())
        if missing:
            raise DataError(f"labels is {classes}, but {missing:,} images of {self.name} have no label: {advice}")
        lowest, highest = int(labels.min()), int(labels.max())
        if lowest < 0:
            raise DataError(f"labels is {classes}, but {self.name} has class {lowest}; classes count from 0")
        if highest >= classes:
            advice = advice if self.trained else f"set labels={highest + 1}"
            raise DataError(f"labels is {classes}, but {self.name} has class {highest}: {advice}")

    def _make_unreadable_error(self, faults: list[str], images: Source | None) -> DataError:
        examples = "; ".join(faults[:3]) + (f"; and {len(faults) - 3} more" if len(faults) > 3 else "")
        purpose = "leave them out" if self.trained else "train without them"
        advice = "" if images is None else f"; to {purpose}, pass skip_bad (--skip-bad)"
        count = len(faults) + (len(images) if images else 0)
        return DataError(f"{len(faults)} of {count} images in {self.name} cannot be read: {examples}{advice}")


def _note_crop_box(splits: Splits, options: SourceOptions) -> Splits:
    """Note that a crop box does not apply to arrays and prepared sets, unless the set was prepared with it."""
    box = options.crop_box
    if box is None or box.optional or getattr(splits.images, "crop_box", None) == str(box):
        return splits
    note = "whole images, because training.crop_box is for image files: prepare them with --crop-box"
    return replace(splits, interpretation=", ".join(filter(None, (splits.interpretation, note))))
