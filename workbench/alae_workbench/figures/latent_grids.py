"""Pictures of what w does: style mixing, interpolation, and moves along directions."""

from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image

from alae_core import Alae, View
from alae_workbench.figures.grid import compose_grid, require_picture_size
from alae_workbench.models.directions import Direction
from alae_workbench.models.mixing import interpolate, mix


def draw_mixing(
    alae: Alae,
    rows: np.ndarray,
    columns: np.ndarray,
    ranges: Mapping[str, range],
    caption: str,
    view: View | None = None,
) -> Image.Image:
    """For each of the ranges a section: column sources above, row sources at the left, and each pair mixed.

    Args:
        alae: a model of style networks.
        rows, columns: the sources' `styles.latents`.
        ranges: some of `styles.layer_ranges`.
        caption: a line under the sections.
        view: where images are made.
    """
    require_picture_size(len(columns) + 1, len(ranges) * (len(rows) + 1), alae.image_shape(view))
    mixed = [mix(rows, columns, levels).reshape(-1, *rows.shape[1:]) for levels in ranges.values()]
    images = alae.generate(np.concatenate([rows, columns, *mixed]), view)
    left, above, cells = np.split(images, [len(rows), len(rows) + len(columns)])
    lines = iter(np.split(cells, len(ranges) * len(rows)))
    sections = [
        (_title(name, levels), [[None, *above], *([source, *next(lines)] for source in left)])
        for name, levels in ranges.items()
    ]
    return compose_grid(sections, caption)


def _title(name: str, levels: range) -> str:
    sizes = " to ".join(f"{size}×{size}" for size in sorted({4 * 2 ** levels[0], 4 * 2 ** levels[-1]}))
    layers = f"layers {2 * levels.start} to {2 * levels.stop - 1}"
    return f"{name} styles ({sizes}, {layers}) of the image above, the others of the image at the left"


def draw_interpolation(
    alae: Alae, corners: np.ndarray, count: int, caption: str, view: View | None = None
) -> Image.Image:
    """Images G(w) for the w that lie `styles.between` 2, 3 or 4 corners.

    Args:
        alae: a model without labels.
        corners, count: see `styles.between`.
        caption: a line under the images.
        view: where images are made.

    Raises AlaeError where the picture would be too large, and as `styles.between`.
    """
    require_picture_size(count, 1 if len(corners) == 2 else count, alae.image_shape(view))
    rows = interpolate(corners, count)
    images = alae.generate(np.concatenate(rows), view)
    cut = np.split(images, np.cumsum([len(row) for row in rows])[:-1])
    return compose_grid([("images G(w), w interpolated between the corners", cut)], caption)


def draw_traversal(
    alae: Alae,
    w: np.ndarray,
    directions: Sequence[Direction],
    amounts: Sequence[float],
    caption: str,
    view: View | None = None,
) -> Image.Image:
    """For each direction a section: for each w a row of images, moved along it by each of the amounts.

    Args:
        alae: a model without labels.
        w: (count, w), or a style for each layer, as `styles.latents` has them.
        directions, amounts: what w is moved along, and how far: see `Direction`.
        caption: a line under the images.
        view: where images are made.
    """
    require_picture_size(len(amounts), len(directions) * len(w), alae.image_shape(view))
    sections = []
    for direction in directions:
        moved = np.stack([direction.move(w, amount) for amount in amounts], axis=1)
        images = alae.generate(moved.reshape(-1, *w.shape[1:]), view)
        title = f"{direction.name}: {', '.join(f'{amount:+.2g}' for amount in amounts)}"
        sections.append((title, np.split(images, len(w))))
    return compose_grid(sections, caption)
