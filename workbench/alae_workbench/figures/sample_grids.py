"""Grids of samples G(F(z)): plain, by truncation, by level of detail, and beside their nearest training images."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from alae_core import Alae, AlaeError
from alae_core.images import to_uint8
from alae_core.streams import Noise
from alae_workbench.data.source import Source
from alae_workbench.evaluation.spaces import downsample, to_colour
from alae_workbench.figures.grid import compose_grid, enlarge, require_grid_size, split_rows
from alae_workbench.models.mixing import map_samples
from alae_workbench.models.option_checks import require_levels
from alae_workbench.models.sampling import sample, untruncated_psi


def draw_samples(images: np.ndarray, caption: str, title: str = "samples G(F(z))") -> Image.Image:
    """Draw samples, floats (count, H, W, C), in rows."""
    return compose_grid([(title, split_rows(images))], caption)


def draw_truncations(
    alae: Alae,
    count: int,
    seed: int,
    psis: Sequence[float],
    caption: str,
    noise: Noise = "fixed",
    label: int | None = None,
) -> Image.Image:
    """Draw `count` samples in a row, the same samples in each row, one row for each truncation ψ; `label` as `sample`.

    Raises AlaeError if the model has no styles, or the grid would be too large.
    """
    require_grid_size(count, len(psis), alae.image_shape())
    rows = [sample(alae, count, seed=seed, label=label, psi=psi, noise=noise) for psi in psis]
    title = f"samples G(F(z)), truncation ψ by row: {', '.join(f'{psi:g}' for psi in psis)}"
    return compose_grid([(title, rows)], caption)


def draw_growth(
    alae: Alae, count: int, seed: int, caption: str, psi: float | None = None, noise: Noise = "fixed"
) -> Image.Image:
    """Draw `count` samples, each in a row of all levels of detail up to the model's own.

    Args:
        alae: a style model.
        count, seed: the number of samples, and the seed of their z.
        caption: a line below the grid.
        psi: truncation; by default the configuration's.
        noise: see `Alae.generate`.

    Raises AlaeError if the model has no levels, or the grid would be too large.
    """
    views = require_levels(alae)
    require_grid_size(len(views), count, alae.image_shape(views[-1]))
    w = alae.truncate(map_samples(alae, count, seed), psi)
    images = [alae.generate(w, view, noise=noise) for view in views]
    rows = [[enlarge(level[i], views[-1].size // level.shape[1]) for level in images] for i in range(count)]
    sizes = ", ".join(f"{view.size}" for view in views)
    return compose_grid([(f"samples G(F(z)) at {sizes} pixels", rows)], caption)


def draw_neighbours(
    alae: Alae,
    train: Source,
    count: int,
    nearest: int,
    seed: int,
    caption: str,
    *,
    things: str = "training images",
    psi: float | None = None,
    noise: Noise = "fixed",
    limit: int = 10_000,
) -> Image.Image:
    """Draw samples, and beside each the `nearest` training images, to show whether the model copies them.

    Images are compared by the Euclidean distance of their pixels, after shrinking to at most 32 × 32.

    Args:
        alae: the model.
        train: the training images; the first `limit` are compared.
        count, seed: the number of samples, and the seed of their z.
        nearest: the number of training images for each sample.
        caption: a line below the grid.
        things: the name of the training images in the figure.
        psi: truncation; by default none.
        noise: see `Alae.generate`.
        limit: the maximum number of training images to compare.

    Raises AlaeError if there are fewer than `nearest` training images, or the grid would be too large.
    """
    compared = min(limit, len(train))
    if nearest > compared:
        raise AlaeError(f"{nearest} neighbours were requested, but there are only {compared} training images")
    require_grid_size(nearest + 2, count, alae.image_shape())
    view = alae.view
    size = view.size if view else None
    parts = [np.arange(part.start, part.stop) for part in alae.chunks(compared, view)]
    train_pixels = np.concatenate([_shrink(alae.as_seen(train.images(part, size), view)) for part in parts])
    images = sample(alae, count, seed=seed, psi=untruncated_psi(alae) if psi is None else psi, noise=noise)
    rows: list[list[np.ndarray | None]] = []
    for image, pixels in zip(images, _shrink(images), strict=True):
        order = np.argsort(np.square(train_pixels - pixels).sum(axis=1), kind="stable")[:nearest]
        rows.append([image, None, *alae.as_seen(train.images(order, size), view)])
    return compose_grid([(f"samples G(F(z)) and the nearest {things}", rows)], caption)


def _shrink(images: np.ndarray) -> np.ndarray:
    """Return the pixels of images in colour, at most 32 × 32, as float32 (count, n)."""
    return downsample(to_colour(to_uint8(images)), 32).reshape(len(images), -1).astype(np.float32)
