"""Choices of the user among the images and labels that a data source offers, and about how images are read."""

from dataclasses import dataclass
from typing import Literal

from alae_core._support.text import short_repr
from alae_workbench.data.crop_box import CropBox
from alae_workbench.data.ranges import ValueRange
from alae_workbench.data.source import DataError


@dataclass(frozen=True)
class SourceOptions:
    """Which images and labels of a data source are read, and how.

    Attributes:
        labels: the file, array or column that holds the labels, `folders` or `none`; None for the documented order.
        images: the array or column that holds the images, if there are several; None for the documented order.
        range: the values of black and white; None to find them.
        wide_range: the range of pictures of more than 8 bits on which a model was trained: it is tried first.
        crop_box: the part of each picture file that is used; None for all of it.
        early: whether to read pictures as early versions did: see `picture_file.Reading`.
    """

    labels: str | None = None
    images: str | None = None
    range: ValueRange | None = None
    wide_range: ValueRange | None = None
    crop_box: CropBox | None = None
    early: bool = False

    def refuse_choice(self, name: object, *kinds: Literal["labels", "images"]) -> None:
        """Raise DataError if the user chose labels or images of the data source `name`, which offers no choice of them.

        `kinds` names the choices that it does not offer.
        """
        for kind in kinds:
            choice = getattr(self, kind)
            if choice is not None:
                raise DataError(f"{name} offers no choice of {kind}, so {short_repr(choice)} cannot be chosen")


#: no choices: the documented order decides
DEFAULTS = SourceOptions()
