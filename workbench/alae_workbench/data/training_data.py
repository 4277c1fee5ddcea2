"""The part of a run's settings that selects its images."""

from typing import Annotated

from pydantic import Field, NonNegativeInt

from alae_core import Checkpoint
from alae_core._support.validation import Count, Frozen, validate
from alae_core.config_data import RUN
from alae_workbench.data.options import SourceOptions
from alae_workbench.data.source import Fit

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


def source_options_of(training: TrainingData) -> SourceOptions:
    """Return which images and labels of its data source a run uses."""
    return SourceOptions(labels=training.labels_from, images=training.images_from)


def training_data_of(checkpoint: Checkpoint) -> TrainingData:
    """Return which images the run that wrote `checkpoint` was trained on; defaults for fields it did not record.

    Raises ConfigError if a recorded value is invalid.
    """
    recorded = checkpoint.run.get(RUN) or {}
    known = {name: recorded[name] for name in TrainingData.model_fields if name in recorded}
    return validate(TrainingData, known, str(checkpoint.path), prefix=RUN)
