"""The part of a run's settings that selects its images."""

from typing import Annotated

from pydantic import AfterValidator, Field, NonNegativeInt

from alae_core import Checkpoint, ConfigError
from alae_core._support.validation import Count, Frozen, validate
from alae_core.config_data import RUN
from alae_workbench.data.crop_box import parse_crop_box
from alae_workbench.data.options import SourceOptions
from alae_workbench.data.ranges import parse_range
from alae_workbench.data.source import DataSet, Fit

#: keys of a checkpoint's record of its run: fingerprint and number of its images, and the range of their values
FINGERPRINT, COUNT, VALUE_RANGE = "data", "images", "range"


def _check_range(text: str) -> str:
    parse_range(text)
    return text


def _check_crop_box(text: str) -> str:
    parse_crop_box(text)
    return text


HeldOut = Count | Annotated[float, Field(gt=0, lt=1)]


class TrainingData(Frozen):
    """The images of a run: the first fields of the group `training` of a YAML file."""

    data: str | None = Field(
        None,
        description="a named data set, or the path of an IDX folder, of arrays, or of a folder or archive of images",
    )
    labels_from: str | None = Field(
        None,
        description="file, array or column that holds the labels, `folders` or `none`; by default the first that "
        "docs/data.md lists",
    )
    images_from: str | None = Field(
        None, description="array or column that holds the images; by default the first that docs/data.md lists"
    )
    range: Annotated[str, AfterValidator(_check_range)] = Field(
        "auto", description="values of black and white, such as 0..1 or 0..4095; auto finds them from all images"
    )
    crop_box: Annotated[str, AfterValidator(_check_crop_box)] | None = Field(
        None,
        description='rows and columns of image files that are used, such as "60:188, 25:153", and the height and width '
        'of files that have them, "of 218x178"; files of the size of the box are used whole',
    )
    margin: NonNegativeInt = Field(0, description="black pixels on each side of an image, within its size")
    fit: Fit = Field(
        "crop",
        description="image files of another shape: crop cuts them about their centre, pad puts them between black bars",
    )
    mirror: bool = Field(False, description="mirror a random half of the images left to right")
    held_out: HeldOut = Field(
        500,
        description="images kept out of training, or the fraction of all images, if the data has no test split",
    )


def source_options_of(training: TrainingData, checkpoint: Checkpoint | None = None) -> SourceOptions:
    """Return which images and labels of its data source a run uses, and how they are read.

    Args:
        training: the settings of the run.
        checkpoint: the checkpoint that the run continues, if there is one: runs of early versions keep their pixels.
    """
    return SourceOptions(
        labels=training.labels_from,
        images=training.images_from,
        range=parse_range(training.range),
        crop_box=parse_crop_box(training.crop_box) if training.crop_box else None,
        early=checkpoint is not None and FINGERPRINT in checkpoint.run and VALUE_RANGE not in checkpoint.run,
    )


def options_for_other_images(checkpoint: Checkpoint, labels: str | None = None) -> SourceOptions:
    """Return how other images than a run's own are read for its model: in the same range, and with its crop box.

    A range of more than 8 bits or of floats is only used for such images, if it holds their values. Pictures of another
    size than the crop box is for are used whole. `labels` is the user's choice of labels.

    Raises ConfigError as `training_data_of`.
    """
    options = source_options_of(training_data_of(checkpoint))
    recorded = checkpoint.run.get(VALUE_RANGE)
    try:
        wide_range = parse_range(recorded) if isinstance(recorded, str) and recorded else None
    except ValueError as error:
        raise ConfigError(f"{checkpoint.path}: the recorded range of its images, {error}") from error
    box = options.crop_box
    return SourceOptions(
        labels=labels,
        range=None if wide_range else options.range,
        wide_range=wide_range,
        crop_box=box and box._replace(optional=True),
    )


def record_data(data: DataSet) -> dict[str, str | int]:
    """Return the record of the images in a checkpoint, besides the settings."""
    value_range = {} if data.value_range is None else {VALUE_RANGE: data.value_range}
    return {FINGERPRINT: data.fingerprint, COUNT: len(data.train) + len(data.held_out), **value_range}


def training_data_of(checkpoint: Checkpoint) -> TrainingData:
    """Return which images the run that wrote `checkpoint` was trained on; defaults for fields it did not record.

    Raises ConfigError if a recorded value is invalid.
    """
    recorded = checkpoint.run.get(RUN) or {}
    known = {name: recorded[name] for name in TrainingData.model_fields if name in recorded}
    return validate(TrainingData, known, str(checkpoint.path), prefix=RUN)
