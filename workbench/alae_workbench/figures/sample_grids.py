"""Pictures of what a model does: images at several levels, samples by truncation, growth, nearest neighbours."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from alae_core import Alae, AlaeError, View
from alae_core.images import to_uint8
from alae_workbench.data.source import Source
from alae_workbench.evaluation.spaces import in_colour, shrunk
from alae_workbench.figures.grid import compose_grid, require_picture_size
from alae_workbench.models.sampling import sample, untruncated_psi


def draw_levels(alae: Alae, source: Source, count: int, caption: str) -> Image.Image:
    """Images at every level of detail up to the model's own, and below each its reconstruction there.

    Raises AlaeError for a model that has no levels.
    """
    views = _views(alae)
    require_picture_size(len(views), 2 * count, alae.image_shape(views[-1]))
    indices = np.arange(min(count, len(source)))
    rows: list[list[np.ndarray]] = [[] for _ in range(2 * len(indices))]
    for view in views:
        x = alae.as_seen(source.images(indices, view.size), view)
        for i, pair in enumerate(zip(x, alae.reconstruct(x, view), strict=True)):
            for below, image in enumerate(pair):
                rows[2 * i + below].append(_enlarged(image, views[-1].size))
    sizes = ", ".join(f"{view.size}" for view in views)
    return compose_grid([(f"images at {sizes} pixels, and below each its reconstruction G(E(x))", rows)], caption)


def draw_growth(alae: Alae, count: int, seed: int, caption: str) -> Image.Image:
    """Samples as they grew: the same w drawn at every level of detail, a row for each.

    Raises AlaeError for a model that has no levels.
    """
    views = _views(alae)
    require_picture_size(len(views), count, alae.image_shape(views[-1]))
    w = alae.truncate(alae.map(alae.sample_prior(count, seed=seed)))
    made = [alae.generate(w, view) for view in views]
    rows = [[_enlarged(images[i], views[-1].size) for images in made] for i in range(count)]
    sizes = ", ".join(f"{view.size}" for view in views)
    return compose_grid([(f"samples G(F(z)) at {sizes} pixels", rows)], caption)


def draw_truncations(alae: Alae, count: int, seed: int, psis: Sequence[float], caption: str) -> Image.Image:
    """Samples, a column each, by truncation, a row each: from the mean of w to none at all."""
    require_picture_size(count, len(psis), alae.image_shape())
    rows = [sample(alae, count, seed=seed, psi=psi) for psi in psis]
    return compose_grid([(f"samples G(F(z)), truncated by ψ = {', '.join(f'{psi:g}' for psi in psis)}", rows)], caption)


def draw_neighbours(
    alae: Alae, train: Source, count: int, nearest: int, seed: int, caption: str, most: int = 10_000
) -> Image.Image:
    """Samples, and right of each the training images that are nearest to it: is it a copy of one?

    Nearest by pixels (Euclidean), shrunk to 32 a side where they are more, of the first `most` training images.

    Raises AlaeError where there are fewer training images than neighbours asked for.
    """
    there = min(most, len(train))
    if nearest > there:
        raise AlaeError(f"{nearest} neighbours were asked for, but there are {there} training images")
    require_picture_size(nearest + 2, count, alae.image_shape())
    view = alae.view
    size = view.size if view else None
    parts = [np.arange(part.start, part.stop) for part in alae.chunks(there, view)]
    known = np.concatenate([_pixels(alae.as_seen(train.images(part, size), view)) for part in parts])
    images = sample(alae, count, seed=seed, psi=untruncated_psi(alae))
    rows: list[list[np.ndarray | None]] = []
    for image, pixels in zip(images, _pixels(images), strict=True):
        order = np.argsort(np.square(known - pixels).sum(axis=1), kind="stable")[:nearest]
        found = alae.as_seen(train.images(order, size), view)
        rows.append([image, None, *found])
    return compose_grid([("samples G(F(z)), and the training images nearest to each", rows)], caption)


def _pixels(images: np.ndarray) -> np.ndarray:
    return shrunk(in_colour(to_uint8(images)), 32).reshape(len(images), -1).astype(np.float32)


def _views(alae: Alae) -> list[View]:
    if alae.view is None:
        raise AlaeError("levels of detail are for style models, but this one's networks are perceptrons")
    return [*(View(lod) for lod in range(alae.view.lod)), alae.view]


def _enlarged(image: np.ndarray, size: int) -> np.ndarray:
    factor = size // image.shape[0]
    return image.repeat(factor, axis=0).repeat(factor, axis=1)
