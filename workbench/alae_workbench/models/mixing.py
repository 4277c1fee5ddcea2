"""What lies between two w: style mixing and interpolation, of samples and of images."""

from collections.abc import Sequence
from math import ceil
from typing import TYPE_CHECKING

import numpy as np

from alae_core import AlaeError, ArgumentError, View
from alae_workbench.data.source import Source, all_images

if TYPE_CHECKING:
    from alae_core import Alae


def make_latents(alae: "Alae", sources: Sequence[int | Source], view: View | None = None) -> np.ndarray:
    """What G makes the sources of: w, (count, w), or for style networks a style for each layer, (count, 2L, w).

    Args:
        alae: a model without labels.
        sources: a seed is a sample w = F(z), truncated as the configuration says; images are w = E(x), as they are.
        view: where images are encoded.

    Raises AlaeError for a model with labels.
    """
    if alae.config.labels:
        raise AlaeError(
            f"w lies between images of models without labels, but this one has {alae.config.labels} classes"
        )
    return np.concatenate([_latents(alae, source, view or alae.view) for source in sources])


def _latents(alae: "Alae", source: int | Source, view: View | None) -> np.ndarray:
    if isinstance(source, int):
        w, psi = alae.map(alae.sample_prior(1, seed=source)), None
    else:
        w, psi = alae.w_of(alae.as_seen(all_images(source, view.size if view else None), view), view), 1.0
    return w if alae.w_mean is None else alae.truncate(w, psi)


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


def interpolate(corners: np.ndarray, count: int) -> list[np.ndarray]:
    """w between 2, 3 or 4 corners: a row, a triangle or a square, `count` from corner to corner.

    Args:
        corners: their `latents`, from left to right, then from top to bottom.
        count: 2 or more.

    Returns:
        For each row its w, or styles, of the corners' dtype.

    Raises:
        AlaeError: there are fewer or more corners.
        ArgumentError: `count` is less than 2.
    """
    if not 2 <= len(corners) <= 4:
        raise AlaeError(f"interpolation is between 2, 3 or 4 corners, not {len(corners)}")
    if count < 2:
        raise ArgumentError("count", f"is {count}: from corner to corner there are at least 2")
    shares = _shares(len(corners), count)
    w = np.tensordot(np.concatenate(shares), corners, 1).astype(corners.dtype)
    return np.split(w, np.cumsum([len(row) for row in shares])[:-1])


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
