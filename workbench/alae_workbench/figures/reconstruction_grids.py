"""Grids of real images and their reconstructions G(E(x))."""

import numpy as np
from PIL import Image

from alae_core import Alae, View
from alae_core.streams import Noise
from alae_workbench.data.labels import select_labels
from alae_workbench.data.source import Source
from alae_workbench.figures.grid import compose_grid, enlarge, require_grid_size, split_rows
from alae_workbench.models.option_checks import require_levels
from alae_workbench.models.sampling import ROW, sample, untruncated_psi


def draw_training_grid(alae: Alae, source: Source, caption: str, view: View | None = None) -> Image.Image:
    """Draw the grid of a training run: real images, below each its reconstruction, and samples G(F(z)).

    A section is omitted if the model lacks a network for it.

    Args:
        alae: the model. It has G, and E or F.
        source: images it was not trained on; the first two rows of them are drawn.
        caption: a line below the grid.
        view: the level of detail; by default the model's own.
    """
    view, sections = view or alae.view, []
    if alae.has("GE"):
        indices = np.arange(min(len(source), 2 * ROW))
        x = alae.as_seen(source.images(indices, view.size if view else None), view)
        rows = _interleave(x, alae.reconstruct(x, view, labels=select_labels(source, indices, alae.config)))
        sections.append(("real images; below each, its reconstruction G(E(x))", rows))
    if alae.has("GF"):
        samples = sample(alae, 3 * ROW, psi=untruncated_psi(alae), view=view)
        classes = ", one class per column" if alae.config.labels else ""
        sections.append((f"samples G(F(z)){classes}", split_rows(samples)))
    return compose_grid(sections, caption)


def draw_reconstructions(images: np.ndarray, reconstructions: np.ndarray, caption: str) -> Image.Image:
    """Draw images, floats (count, H, W, C), in rows; below each row its reconstructions."""
    rows = _interleave(images, reconstructions)
    return compose_grid([("images; below each, its reconstruction G(E(x))", rows)], caption)


def draw_levels(alae: Alae, source: Source, count: int, caption: str, noise: Noise = "fixed") -> Image.Image:
    """Draw the first `count` images at every level of detail up to the model's own; below each its reconstruction.

    Raises AlaeError if the model has no levels, or the grid would be too large.
    """
    views = require_levels(alae)
    require_grid_size(len(views), 2 * count, alae.image_shape(views[-1]))
    indices = np.arange(min(count, len(source)))
    rows: list[list[np.ndarray]] = [[] for _ in range(2 * len(indices))]
    for view in views:
        x = alae.as_seen(source.images(indices, view.size), view)
        for i, pair in enumerate(zip(x, alae.reconstruct(x, view, noise=noise), strict=True)):
            for below, image in enumerate(pair):
                rows[2 * i + below].append(enlarge(image, views[-1].size // view.size))
    sizes = ", ".join(f"{view.size}" for view in views)
    return compose_grid([(f"images at {sizes} pixels; below each, its reconstruction G(E(x))", rows)], caption)


def _interleave(images: np.ndarray, reconstructions: np.ndarray) -> list[np.ndarray]:
    return [row for pair in zip(split_rows(images), split_rows(reconstructions), strict=True) for row in pair]
