"""Grids of images with captions, as PNG."""

from collections.abc import Iterable, Sequence
from functools import cache
from math import ceil
from pathlib import Path

import numpy as np
from matplotlib import get_data_path
from PIL import Image, ImageDraw, ImageFont

from alae_core import Alae
from alae_workbench.data.images import Images, to_uint8

_COLUMNS, _MARGIN, _TEXT = 12, 12, 15
_CELL = 64  # smaller images are enlarged by a whole factor towards this many pixels, so that a person can see them
_INK, _PAPER = (40, 40, 40), (250, 250, 248)


def training_grid(
    alae: Alae, images: Images, caption: str, *, lod: int | None = None, blend: float = 1.0
) -> Image.Image:
    """Real images, each above its reconstruction G(E(x)), and samples G(F(z)): what a run looks like at a glance.

    Args:
        alae: the model, usually with its averaged weights.
        images: images it was not trained on; the first two rows' worth are shown.
        caption: a line under the grid.
        lod, blend: the level of detail that style networks are shown at, and how far it has faded in.
    """
    shown, noise = images[: 2 * _COLUMNS], fixed_noise(alae, lod)
    x = alae.at_level(shown.floats(), lod, blend)
    rows = _paired_rows(x, alae.reconstruct(x, lod, blend, noise, labels=shown.labels_for(alae.config)))
    samples = sample(alae, 3 * _COLUMNS, seed=0, psi=1.0, lod=lod, blend=blend, noise=noise)
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


def sample(
    alae: Alae,
    count: int,
    *,
    seed: int,
    label: int | None = None,
    psi: float | None = None,
    lod: int | None = None,
    blend: float = 1.0,
    noise: str | Sequence[np.ndarray] | None = None,
) -> np.ndarray:
    """`count` samples G(F(z)): (count, H, W, C).

    Args:
        alae: the model.
        count, seed: how many, and what decides every z.
        label: with a model of labels the class of all; by default the classes in turn along each row.
        psi: how far styles are truncated, by default as the configuration says.
        lod, blend, noise: see `Alae.generate`.
    """
    w = alae.map(alae.sample_prior(count, seed=seed))
    if alae.is_style:
        return alae.generate(alae.truncate(w, psi), lod, blend, noise)
    if not alae.config.labels:
        return alae.generate(w)
    in_turn = np.arange(count) % _COLUMNS % alae.config.labels
    return alae.generate(w, labels=in_turn if label is None else np.full(count, label))


def fixed_noise(alae: Alae, lod: int | None = None) -> list[np.ndarray] | None:
    """The noise of every picture: for each layer one map that serves all images, so that none differs by noise.

    The same bits on every backend; None for networks that have no noise.
    """
    return alae.sample_noise(1, lod=lod) if alae.is_style else None


def resolution(lod: int | None, blend: float) -> str:
    """What a caption says of a level of detail, such as "8×8 fading in, 40%"; empty for networks that have none."""
    if lod is None:
        return ""
    size = 4 * 2**lod
    return f"{size}×{size}" + (f" fading in, {blend:.0%}" if blend < 1 else "")


def in_rows(images: np.ndarray) -> list[np.ndarray]:
    """(count, H, W, C) cut into the rows of a grid; the last may be shorter."""
    return [images[i : i + _COLUMNS] for i in range(0, len(images), _COLUMNS)]


def _paired_rows(images: np.ndarray, reconstructions: np.ndarray) -> list[np.ndarray]:
    return [row for pair in zip(in_rows(images), in_rows(reconstructions), strict=True) for row in pair]


def compose(sections: Sequence[tuple[str, Sequence[Iterable[np.ndarray | None]]]], caption: str) -> Image.Image:
    """A picture of titled sections over a caption.

    Each section has rows of float images (H, W, C) in [−1, 1], all of one size; None leaves a cell empty.
    """
    drawn = [
        (title, [[None if image is None else to_uint8(image) for image in row] for row in rows])
        for title, rows in sections
    ]
    height, width = next(image.shape[:2] for _, rows in drawn for row in rows for image in row if image is not None)
    factor = max(1, _CELL // max(height, width))
    cell_height, cell_width = height * factor + 2, width * factor + 2
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
    pixels = image.repeat(factor, axis=0).repeat(factor, axis=1)
    return Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).convert("RGB")
