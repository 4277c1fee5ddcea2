"""Grids of images G(w) for chosen w: style mixing, interpolation, and moves along directions."""

from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image

from alae_core import Alae, View
from alae_core.streams import Noise
from alae_workbench.figures.grid import compose_grid, require_grid_size
from alae_workbench.models.directions import Direction
from alae_workbench.models.mixing import interpolate, mix


def draw_mixing(
    alae: Alae,
    rows: np.ndarray,
    columns: np.ndarray,
    ranges: Mapping[str, range],
    caption: str,
    view: View | None = None,
    noise: Noise = "fixed",
) -> Image.Image:
    """Draw a section for each range of styles: column sources on top, row sources at the left, each pair mixed.

    Args:
        alae: a style model.
        rows, columns: styles of the sources (count, 2L, w): see `mixing.make_latents`.
        ranges: levels of detail that take their styles from the columns, by name: see `mixing.layer_ranges`.
        caption: a line below the sections.
        view: the level of detail; by default the model's own.
        noise: see `Alae.generate`.

    Raises AlaeError if the grid would be too large.
    """
    require_grid_size(len(columns) + 1, len(ranges) * (len(rows) + 1), alae.image_shape(view))
    mixed = [mix(rows, columns, levels).reshape(-1, *rows.shape[1:]) for levels in ranges.values()]
    images = alae.generate(np.concatenate([rows, columns, *mixed]), view, noise=noise)
    left, above, cells = np.split(images, [len(rows), len(rows) + len(columns)])
    lines = iter(np.split(cells, len(ranges) * len(rows)))
    sections = [
        (_format_title(name, levels), [[None, *above], *([source, *next(lines)] for source in left)])
        for name, levels in ranges.items()
    ]
    return compose_grid(sections, caption)


def _format_title(name: str, levels: range) -> str:
    sizes = " to ".join(f"{size}×{size}" for size in sorted({4 * 2 ** levels[0], 4 * 2 ** levels[-1]}))
    layers = f"layers {2 * levels.start} to {2 * levels.stop - 1}"
    return f"{name} styles ({sizes}, {layers}) from the image above, the others from the image at the left"


def draw_interpolation(
    alae: Alae, corners: np.ndarray, count: int, caption: str, view: View | None = None, noise: Noise = "fixed"
) -> Image.Image:
    """Draw images G(w) between corners: for 2 a row, for 3 a triangle, for 4 a square, for more a row from each to the
    next.

    Args:
        alae: a model of which G takes no labels.
        corners, count: see `mixing.interpolate`.
        caption: a line below the images.
        view: the level of detail; by default the model's own.
        noise: see `Alae.generate`.

    Raises AlaeError as `mixing.interpolate`, or if the grid would be too large.
    """
    require_grid_size(count, count if len(corners) in (3, 4) else len(corners) - 1, alae.image_shape(view))
    rows = interpolate(corners, count)
    images = alae.generate(np.concatenate(rows), view, noise=noise)
    lines = np.split(images, np.cumsum([len(row) for row in rows])[:-1])
    return compose_grid([("images G(w), with w interpolated between the corners", lines)], caption)


def draw_traversal(
    alae: Alae,
    w: np.ndarray,
    directions: Sequence[Direction],
    amounts: Sequence[float],
    caption: str,
    view: View | None = None,
    noise: Noise = "fixed",
) -> Image.Image:
    """Draw a section for each direction, in it a row for each w: images of w moved by each of the amounts.

    Args:
        alae: a model of which G takes no labels.
        w: (count, w), or styles (count, 2L, w): see `mixing.make_latents`.
        directions, amounts: see `Direction.move`.
        caption: a line below the images.
        view: the level of detail; by default the model's own.
        noise: see `Alae.generate`.

    Raises AlaeError if the grid would be too large.
    """
    require_grid_size(len(amounts), len(directions) * len(w), alae.image_shape(view))
    sections = []
    for direction in directions:
        moved = np.stack([direction.move(w, amount) for amount in amounts], axis=1)
        images = alae.generate(moved.reshape(-1, *w.shape[1:]), view, noise=noise)
        title = f"{direction.name}: {', '.join(f'{amount:+.2g}' for amount in amounts)}"
        sections.append((title, np.split(images, len(w))))
    return compose_grid(sections, caption)
