"""Choices of the user among the images and labels that a data source offers."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SourceOptions:
    """Which images and labels of a data source are read.

    Attributes:
        labels: the file, array or column that holds the labels, `folders` or `none`; None for the documented order.
        images: the array or column that holds the images, if there are several; None for the documented order.
    """

    labels: str | None = None
    images: str | None = None


#: no choices: the documented order decides
DEFAULTS = SourceOptions()
