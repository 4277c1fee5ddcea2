"""Pictures of what w does: style mixing and interpolation."""

from collections.abc import Mapping, Sequence
from math import ceil

import numpy as np
from PIL import Image

from alae_core import Alae
from alae_workbench.data.images import Images
from alae_workbench.figures.grid import compose, fixed_noise


def latents(alae: Alae, sources: Sequence[int | Images], *, lod: int | None = None, blend: float = 1.0) -> np.ndarray:
    """What G makes the sources of: w, (count, w), or for style networks a style for each layer, (count, 2L, w).

    Args:
        alae: a model without labels.
        sources: a seed is a sample w = F(z), truncated as the configuration says; images are w = E(x), as they are.
        lod, blend: the level of detail that images are encoded at.
    """
    return np.concatenate([_latents(alae, source, lod, blend) for source in sources])


def _latents(alae: Alae, source: int | Images, lod: int | None, blend: float) -> np.ndarray:
    if isinstance(source, int):
        w, psi = alae.map(alae.sample_prior(1, seed=source)), None
    else:
        w, psi = alae.w_of(alae.at_level(source.floats(), lod, blend), lod, blend), 1.0
    return alae.truncate(w, psi) if alae.is_style else w


def layer_ranges(lods: int) -> dict[str, range]:
    """The levels of detail whose layers take coarse, middle and fine styles, of `lods` levels in all.

    Coarse are 4 and 8 pixels, middle 16 and 32, fine all from 64 on (Karras et al. 2019, section 3.1). Where there is
    no level of 64 pixels, what levels there are divide into three; ranges without any are left out.
    """
    first, second = (2, 4) if lods > 4 else (ceil(lods / 3), ceil(2 * lods / 3))
    ranges = {"coarse": range(first), "middle": range(first, second), "fine": range(second, lods)}
    return {name: levels for name, levels in ranges.items() if levels}


def mix(rows: np.ndarray, columns: np.ndarray, levels: range) -> np.ndarray:
    """Style mixing: for each pair the column's styles in the layers of `levels`, and the row's in all others.

    Both are styles for each layer, (R, 2L, w) and (C, 2L, w); the result is (R, C, 2L, w).
    """
    layers = np.arange(rows.shape[1])
    chosen = (2 * levels.start <= layers) & (layers < 2 * levels.stop)
    return np.where(chosen[:, None], columns[None], rows[:, None])


def mixing_grid(
    alae: Alae,
    rows: np.ndarray,
    columns: np.ndarray,
    ranges: Mapping[str, range],
    caption: str,
    *,
    lod: int,
    blend: float = 1.0,
) -> Image.Image:
    """For each of the ranges a section: column sources above, row sources at the left, and each pair mixed.

    Args:
        alae: a model of style networks.
        rows, columns: the sources' `latents`.
        ranges: some of `layer_ranges`.
        caption: a line under the sections.
        lod, blend: the level of detail that images are made at.
    """
    mixed = [mix(rows, columns, levels).reshape(-1, *rows.shape[1:]) for levels in ranges.values()]
    # All at once: JAX compiles anew for every number of images.
    images = alae.generate(np.concatenate([rows, columns, *mixed]), lod, blend, fixed_noise(alae, lod))
    left, above, cells = np.split(images, [len(rows), len(rows) + len(columns)])
    lines = iter(np.split(cells, len(ranges) * len(rows)))
    sections = [
        (_title(name, levels), [[None, *above], *([source, *next(lines)] for source in left)])
        for name, levels in ranges.items()
    ]
    return compose(sections, caption)


def _title(name: str, levels: range) -> str:
    sizes = " to ".join(f"{size}×{size}" for size in sorted({4 * 2 ** levels[0], 4 * 2 ** levels[-1]}))
    layers = f"layers {2 * levels.start} to {2 * levels.stop - 1}"
    return f"{name} styles ({sizes}, {layers}) of the image above, the others of the image at the left"


def interpolation_grid(
    alae: Alae, corners: np.ndarray, count: int, caption: str, *, lod: int | None = None, blend: float = 1.0
) -> Image.Image:
    """Images G(w) for w between 2, 3 or 4 corners: a row, a triangle or a square, `count` images from corner to corner.

    Args:
        alae: a model without labels.
        corners: their `latents`, from left to right, then from top to bottom.
        count: 2 or more.
        caption: a line under the images.
        lod, blend: the level of detail that images are made at.
    """
    shares = _shares(len(corners), count)
    w = np.tensordot(np.concatenate(shares), corners, 1).astype(corners.dtype)
    images = alae.generate(w, lod, blend, fixed_noise(alae, lod))
    rows = np.split(images, np.cumsum([len(row) for row in shares])[:-1])
    return compose([("images G(w), w interpolated between the corners", rows)], caption)


def _shares(corners: int, count: int) -> list[np.ndarray]:
    """The corners' shares in each image, (images, corners) for each row."""
    last, steps = count - 1, np.arange(count)[:, None]
    if corners == 3:
        # Each row is one image shorter, down to the third corner alone.
        return [
            np.hstack([last - down - right, right, np.full_like(right, down)]) / last
            for down, right in ((down, steps[: count - down]) for down in range(count))
        ]
    line = np.hstack([last - steps, steps]) / last
    return [line] if corners == 2 else [np.kron(pair, line) for pair in line[:, None]]
