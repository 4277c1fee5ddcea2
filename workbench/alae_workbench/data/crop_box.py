"""Crop boxes: the part of picture files of one size that is used, such as the faces of CelebA."""

import re
from typing import NamedTuple

from alae_core._support.text import short_repr

_TEXT = re.compile(r"\s*(\d{1,6}):(\d{1,6})\s*,\s*(\d{1,6}):(\d{1,6})\s*(?:of\s*(\d{1,6})\s*[x×]\s*(\d{1,6})\s*)?")


class CropBox(NamedTuple):
    """Rows and columns of a picture, the first included and the last not, counted from the top left.

    `str` gives the text of `training.crop_box`, such as "60:188, 25:153 of 218x178".

    Attributes:
        top, bottom, left, right: the rows top … bottom − 1 and the columns left … right − 1.
        of: height and width of the pictures that the box is for; None for all that hold it.
        optional: whether other pictures are used whole instead of being refused.
    """

    top: int
    bottom: int
    left: int
    right: int
    of: tuple[int, int] | None = None
    optional: bool = False

    def __str__(self) -> str:
        of = f" of {self.of[0]}x{self.of[1]}" if self.of else ""
        return f"{self.top}:{self.bottom}, {self.left}:{self.right}{of}"

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the box, as Pillow orders them."""
        return self.right - self.left, self.bottom - self.top

    def find_corners(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Return the left, top, right and bottom of the part of a picture to use.

        A picture of exactly the size of the box was cropped before, and is used whole.

        Raises ValueError if the box is not for pictures of this size.
        """
        if (width, height) == self.size:
            return 0, 0, width, height
        if self.of not in (None, (height, width)) or height < self.bottom or width < self.right:
            if self.optional:
                return 0, 0, width, height
            needed = f"{self.of[1]}×{self.of[0]}" if self.of else f"at least {self.right}×{self.bottom}"
            raise ValueError(
                f"it has {width}×{height} pixels, but the crop box {self} is for pictures of {needed}: set "
                f"training.crop_box=null for others"
            )
        return self.left, self.top, self.right, self.bottom


def parse_crop_box(text: str) -> CropBox:
    """Parse rows and columns such as "60:188, 25:153", possibly with the pictures' height and width, "of 218x178".

    Raises ValueError for any other text, an empty box, or one outside of such pictures.
    """
    match = _TEXT.fullmatch(text)
    if not match:
        raise ValueError(
            f'{short_repr(text)} is not rows and columns such as "60:188, 25:153", or "60:188, 25:153 of 218x178"'
        )
    top, bottom, left, right = (int(match[group]) for group in range(1, 5))
    of = (int(match[5]), int(match[6])) if match[5] else None
    if bottom <= top or right <= left:
        raise ValueError(f"{short_repr(text)} is empty: the first row and column must be less than the last")
    if of and (bottom > of[0] or right > of[1]):
        raise ValueError(f"{short_repr(text)} lies outside of pictures of {of[0]} rows and {of[1]} columns")
    return CropBox(top, bottom, left, right, of)
