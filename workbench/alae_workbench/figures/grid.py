"""Grids of images with captions, as PNG."""

from collections.abc import Iterable, Sequence
from functools import cache
from math import ceil
from pathlib import Path

import numpy as np
from matplotlib import get_data_path
from PIL import Image, ImageDraw, ImageFont

from alae_core import Alae, AlaeError, View
from alae_core.images import to_uint8
from alae_workbench.data.source import Source, labels_for
from alae_workbench.models.sampling import ROW, sample, untruncated_psi

_COLUMNS, _MARGIN, _TEXT = ROW, 12, 15
_CELL = 64  # smaller images are enlarged by a whole factor towards this many pixels, so that a person can see them
# What programs still open: of a side, and in all; 1,024 pixels wide, that is 63 images in a row and 255 in a picture.
_MOST_SIDE, _MOST_PIXELS = 2**16 - 1, 2**28
_INK, _PAPER = (40, 40, 40), (250, 250, 248)


def draw_training_grid(alae: Alae, source: Source, caption: str, view: View | None = None) -> Image.Image:
    """Real images, each above its reconstruction G(E(x)), and samples G(F(z)): what a run looks like at a glance.

    What the model has no networks for is left out.

    Args:
        alae: the model, usually with its averaged weights; it has G and, beside it, E or F.
        source: images it was not trained on; the first two rows' worth are shown.
        caption: a line under the grid.
        view: where networks that grow are shown.
    """
    view, sections = view or alae.view, []
    if alae.has("GE"):
        indices = np.arange(min(len(source), 2 * _COLUMNS))
        x = alae.as_seen(source.images(indices, view.size if view else None), view)
        rows = _paired_rows(x, alae.reconstruct(x, view, labels=labels_for(source, indices, alae.config)))
        sections.append(("real images, and below each its reconstruction G(E(x))", rows))
    if alae.has("GF"):
        samples = sample(alae, 3 * _COLUMNS, psi=untruncated_psi(alae), view=view)
        by_class = ", a class per column" if alae.config.labels else ""
        sections.append((f"samples G(F(z)){by_class}", split_rows(samples)))
    return compose_grid(sections, caption)


def draw_reconstructions(images: np.ndarray, reconstructions: np.ndarray, caption: str) -> Image.Image:
    """Rows of images, float (count, H, W, C), each row followed by its reconstructions."""
    return compose_grid(
        [("images, and below each its reconstruction G(E(x))", _paired_rows(images, reconstructions))], caption
    )


def draw_samples(images: np.ndarray, caption: str) -> Image.Image:
    """Rows of samples, float (count, H, W, C)."""
    return compose_grid([("samples G(F(z))", split_rows(images))], caption)


def split_rows(images: np.ndarray) -> list[np.ndarray]:
    """(count, H, W, C) cut into the rows of a grid; the last may be shorter."""
    return [images[i : i + _COLUMNS] for i in range(0, len(images), _COLUMNS)]


def require_picture_size(columns: int, rows: int, shape: Sequence[int]) -> None:
    """Raise AlaeError where a picture of so many images of a shape (H, W, …) would be larger than programs open."""
    _, cell_height, cell_width = _cell(shape)
    width, height = columns * cell_width, rows * cell_height
    if max(width, height) > _MOST_SIDE or width * height > _MOST_PIXELS:
        raise AlaeError(
            f"a picture of {columns:,} × {rows:,} images would be {width:,} × {height:,} pixels, but {_MOST_SIDE:,} on "
            f"a side and {_MOST_PIXELS:,} in all are the most: ask for fewer images"
        )


def require_rows_size(count: int, shape: Sequence[int], lines: int = 1) -> None:
    """As `require_picture`, for `count` images in rows, each of so many lines."""
    require_picture_size(min(count, _COLUMNS), lines * -(-count // _COLUMNS), shape)


def _cell(shape: Sequence[int]) -> tuple[int, int, int]:
    """By which factor images are enlarged, and the height and width that each then takes."""
    height, width = shape[:2]
    factor = max(1, _CELL // max(height, width))
    return factor, height * factor + 2, width * factor + 2


def _paired_rows(images: np.ndarray, reconstructions: np.ndarray) -> list[np.ndarray]:
    return [row for pair in zip(split_rows(images), split_rows(reconstructions), strict=True) for row in pair]


def compose_grid(sections: Sequence[tuple[str, Sequence[Iterable[np.ndarray | None]]]], caption: str) -> Image.Image:
    """A picture of titled sections over a caption.

    Each section has rows of float images (H, W, C) in [−1, 1], all of one size; None leaves a cell empty.
    """
    drawn = [
        (title, [[None if image is None else to_uint8(image) for image in row] for row in rows])
        for title, rows in sections
    ]
    shape = next(image.shape for _, rows in drawn for row in rows for image in row if image is not None)
    factor, cell_height, cell_width = _cell(shape)
    columns = max(len(row) for _, rows in drawn for row in rows)
    lines = sum(len(rows) for _, rows in drawn)
    font = _font()
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
                    picture.paste(_enlarged(image, factor), (_MARGIN + column * cell_width, y))
            y += cell_height
        y += _MARGIN // 2
    draw.text((_MARGIN, y), caption, _INK, font)
    return picture


@cache
def _font() -> ImageFont.FreeTypeFont:
    # Pillow's own font lacks × and ψ.
    return ImageFont.truetype(Path(get_data_path(), "fonts", "ttf", "DejaVuSans.ttf"), _TEXT)


def _enlarged(image: np.ndarray, factor: int) -> Image.Image:
    # Of channels that no screen shows, the first three; of fewer, the first.
    shown = image[..., :3] if image.shape[-1] >= 3 else image[..., 0]
    return Image.fromarray(shown.repeat(factor, axis=0).repeat(factor, axis=1)).convert("RGB")
