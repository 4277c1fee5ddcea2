"""Layout of grids: sections of images in rows, with titles and a caption."""

from collections.abc import Iterable, Sequence
from functools import cache
from math import ceil
from pathlib import Path

import numpy as np
from matplotlib import get_data_path
from PIL import Image, ImageDraw, ImageFont

from alae_core import AlaeError
from alae_core.images import to_uint8
from alae_workbench.models.sampling import ROW

_MARGIN, _TEXT = 12, 15
_CELL = 64  # images smaller than this many pixels are enlarged by a whole factor
# Limits of common programs: pixels on a side, and in all. At 1,024 pixels, 63 images in a row and 255 in a grid.
_MAX_SIDE, _MAX_PIXELS = 2**16 - 1, 2**28
_INK, _PAPER = (40, 40, 40), (250, 250, 248)


def compose_grid(sections: Sequence[tuple[str, Sequence[Iterable[np.ndarray | None]]]], caption: str) -> Image.Image:
    """Draw sections below each other, each a title over rows of images, and a caption below them.

    The images are floats (H, W, C) in [−1, 1], all of one size. None leaves a cell empty.
    """
    drawn = [
        (title, [[None if image is None else to_uint8(image) for image in row] for row in rows])
        for title, rows in sections
    ]
    shape = next(image.shape for _, rows in drawn for row in rows for image in row if image is not None)
    factor, cell_height, cell_width = _fit_cell(shape)
    columns = max(len(row) for _, rows in drawn for row in rows)
    lines = sum(len(rows) for _, rows in drawn)
    font = _load_font()
    texts = [*(title for title, _ in drawn), caption]
    picture_width = 2 * _MARGIN + max(columns * cell_width, *(ceil(font.getlength(text)) for text in texts))
    picture_height = 2 * _MARGIN + lines * cell_height + len(texts) * (_TEXT + _MARGIN)
    picture = Image.new("RGB", (picture_width, picture_height), _PAPER)
    draw, y = ImageDraw.Draw(picture), _MARGIN
    for title, rows in drawn:
        draw.text((_MARGIN, y), title, _INK, font)
        y += _TEXT + _MARGIN // 2
        for row in rows:
            for column, image in enumerate(row):
                if image is not None:
                    picture.paste(_to_picture(image, factor), (_MARGIN + column * cell_width, y))
            y += cell_height
        y += _MARGIN // 2
    draw.text((_MARGIN, y), caption, _INK, font)
    return picture


def split_rows(images: np.ndarray) -> list[np.ndarray]:
    """Split (count, H, W, C) into the rows of a grid; the last row may be shorter."""
    return [images[i : i + ROW] for i in range(0, len(images), ROW)]


def enlarge(image: np.ndarray, factor: int) -> np.ndarray:
    """Repeat each pixel of (H, W, …) `factor` times in both directions."""
    return image.repeat(factor, axis=0).repeat(factor, axis=1)


def require_grid_size(columns: int, rows: int, shape: Sequence[int]) -> None:
    """Raise AlaeError if a grid of images of a shape (H, W, …) would be larger than common programs can open."""
    _, cell_height, cell_width = _fit_cell(shape)
    width, height = columns * cell_width, rows * cell_height
    if max(width, height) > _MAX_SIDE or width * height > _MAX_PIXELS:
        raise AlaeError(
            f"a grid of {columns:,} × {rows:,} images would have {width:,} × {height:,} pixels, more than the maximum "
            f"of {_MAX_SIDE:,} on a side and {_MAX_PIXELS:,} in all; ask for fewer images"
        )


def require_rows_size(count: int, shape: Sequence[int], lines: int = 1) -> None:
    """Raise AlaeError as `require_grid_size`, for `count` images in `split_rows`, each row drawn in `lines` lines."""
    require_grid_size(min(count, ROW), lines * ceil(count / ROW), shape)


def _fit_cell(shape: Sequence[int]) -> tuple[int, int, int]:
    """Return the factor by which images are enlarged, and the height and width of their cells."""
    height, width = shape[:2]
    factor = max(1, _CELL // max(height, width))
    return factor, height * factor + 2, width * factor + 2


@cache
def _load_font() -> ImageFont.FreeTypeFont:
    # Pillow's own font lacks × and ψ.
    return ImageFont.truetype(Path(get_data_path(), "fonts", "ttf", "DejaVuSans.ttf"), _TEXT)


def _to_picture(image: np.ndarray, factor: int) -> Image.Image:
    # RGB shows three channels: the first three of more, the first of fewer.
    channels = image[..., :3] if image.shape[-1] >= 3 else image[..., 0]
    return Image.fromarray(enlarge(channels, factor)).convert("RGB")
