"""Grids of images with captions, as PNG."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from alae_core import Alae
from alae_workbench.data.images import Images, to_uint8

_COLUMNS, _MARGIN, _TEXT = 12, 12, 15
_CELL = 64  # smaller images are enlarged by a whole factor towards this many pixels, so that a person can see them
_INK, _PAPER = (40, 40, 40), (250, 250, 248)


def training_grid(alae: Alae, images: Images, caption: str) -> Image.Image:
    """Real images, each above its reconstruction G(E(x)), and samples G(F(z)): what a run looks like at a glance.

    Args:
        alae: the model, usually with its averaged weights.
        images: images it was not trained on; the first two rows' worth are shown.
        caption: a line under the grid.
    """
    shown = images[: 2 * _COLUMNS]
    x = shown.floats()
    rows = _paired_rows(x, alae.reconstruct(x, labels=shown.labels_for(alae.config)))
    samples = sample(alae, 3 * _COLUMNS, seed=0)
    return compose(
        [
            ("real images, and below each its reconstruction G(E(x))", rows),
            ("samples G(F(z))" + (", a class per column" if alae.config.labels else ""), in_rows(samples)),
        ],
        caption,
    )


def reconstruction_grid(images: np.ndarray, reconstructions: np.ndarray, caption: str) -> Image.Image:
    """Rows of images, float (count, H, W, C), each row followed by its reconstructions."""
    return compose(
        [("images, and below each its reconstruction G(E(x))", _paired_rows(images, reconstructions))], caption
    )


def sample(alae: Alae, count: int, *, seed: int, label: int | None = None) -> np.ndarray:
    """`count` samples G(F(z)); with a model of labels, all of class `label`, or the classes in turn along each row."""
    w = alae.map(alae.sample_prior(count, seed=seed))
    if not alae.config.labels:
        return alae.generate(w)
    in_turn = np.arange(count) % _COLUMNS % alae.config.labels
    return alae.generate(w, labels=in_turn if label is None else np.full(count, label))


def in_rows(images: np.ndarray) -> list[np.ndarray]:
    """(count, H, W, C) cut into the rows of a grid; the last may be shorter."""
    return [images[i : i + _COLUMNS] for i in range(0, len(images), _COLUMNS)]


def _paired_rows(images: np.ndarray, reconstructions: np.ndarray) -> list[np.ndarray]:
    return [row for pair in zip(in_rows(images), in_rows(reconstructions), strict=True) for row in pair]


def compose(sections: Sequence[tuple[str, Sequence[np.ndarray]]], caption: str) -> Image.Image:
    """A picture of titled sections, each of rows of float images (count, H, W, C) in [−1, 1], over a caption."""
    height, width = sections[0][1][0].shape[1:3]
    factor = max(1, _CELL // max(height, width))
    cell_height, cell_width = height * factor + 2, width * factor + 2
    columns = max(len(row) for _, rows in sections for row in rows)
    lines = sum(len(rows) for _, rows in sections)
    font = ImageFont.load_default(_TEXT)
    texts = [*(title for title, _ in sections), caption]
    picture_width = 2 * _MARGIN + max(columns * cell_width, *(round(font.getlength(text)) for text in texts))
    picture_height = 2 * _MARGIN + lines * cell_height + len(texts) * (_TEXT + _MARGIN)
    picture = Image.new("RGB", (picture_width, picture_height), _PAPER)
    draw, y = ImageDraw.Draw(picture), _MARGIN
    for title, rows in sections:
        draw.text((_MARGIN, y), title, _INK, font)
        y += _TEXT + _MARGIN // 2
        for row in rows:
            for column, image in enumerate(to_uint8(row)):
                picture.paste(_enlarged(image, factor), (_MARGIN + column * cell_width, y))
            y += cell_height
        y += _MARGIN // 2
    draw.text((_MARGIN, y), caption, _INK, font)
    return picture


def _enlarged(image: np.ndarray, factor: int) -> Image.Image:
    pixels = image.repeat(factor, axis=0).repeat(factor, axis=1)
    return Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).convert("RGB")
