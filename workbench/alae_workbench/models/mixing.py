"""Style mixing and interpolation between samples and images, in w."""

from collections.abc import Sequence
from math import ceil
from typing import TYPE_CHECKING

import numpy as np

from alae_core import AlaeError, ArgumentError, View
from alae_workbench.data.source import Source, read_all
from alae_workbench.models.latent_files import get_latents

if TYPE_CHECKING:
    from alae_core import Alae


def make_latents(
    alae: "Alae", sources: Sequence[int | Source], view: View | None = None, psi: float | None = None
) -> np.ndarray:
    """Make the latents of samples and images: w (count, w), or for a style model styles (count, 2L, w).

    Args:
        alae: a model of which G and E take no labels.
        sources: a seed gives one sample w = F(z), truncated; images give w = E(x) each, without truncation;
            `LatentImages` give their latents unchanged.
        view: the level of detail at which images are encoded; by default the model's own.
        psi: truncation of samples; by default the configuration's.

    Raises AlaeError if G and E take labels, or a seed is given and F takes labels, and ArgumentError if `psi` does not
    apply to the model.
    """
    if classes := alae.config.classes_of("G"):
        raise AlaeError(f"mixing in w needs a model without labels, but this model has {classes} classes")
    seeds = [source for source in sources if isinstance(source, int)]
    if alae.config.labels and seeds:
        raise AlaeError(
            f"seed {seeds[0]} has no class, and this model has {alae.config.labels}: give images, or latents of `alae "
            "generate --label CLASS --save-w`"
        )
    return np.concatenate([_make_latents(alae, source, view or alae.view, psi) for source in sources])


def _make_latents(alae: "Alae", source: int | Source, view: View | None, psi: float | None) -> np.ndarray:
    if isinstance(source, int):
        return map_prior(alae, alae.sample_prior(1, seed=source), psi)
    w = get_latents(source)
    if w is None:
        w = alae.w_of(alae.as_seen(read_all(source, view.size if view else None), view), view)
    return w if alae.w_mean is None else alae.truncate(w, 1.0)


def map_prior(alae: "Alae", z: np.ndarray, psi: float | None = None, labels: np.ndarray | None = None) -> np.ndarray:
    """Return w = F(z), (batch, w); of style models as styles (batch, 2L, w), truncated by ψ.

    `labels` are class numbers (batch,), for a model with labels.
    """
    w = alae.map(z, labels=labels)
    return w if alae.w_mean is None and psi is None else alae.truncate(w, psi)


def map_samples(alae: "Alae", count: int, seed: int = 0) -> np.ndarray:
    """Return w = F(z) of samples, (count, w), without truncation; if F takes labels, of each class in turn."""
    return alae.map(alae.sample_prior(count, seed=seed), labels=take_turns(alae, range(count)))


def take_turns(alae: "Alae", samples: range) -> np.ndarray | None:
    """Return class numbers of samples by their number, each class in turn; None for a model without labels."""
    return np.array(samples) % alae.config.labels if alae.config.labels else None


def layer_ranges(lods: int) -> dict[str, range]:
    """Return the levels of detail of coarse, middle and fine styles, for a model at `lods` levels of detail.

    Coarse are 4 and 8 pixels, middle 16 and 32, fine 64 and more (Karras et al. 2019, section 3.1). Models below 64
    pixels have their levels divided into three parts; empty parts are omitted.
    """
    first, second = (2, 4) if lods > 4 else (ceil(lods / 3), ceil(2 * lods / 3))
    ranges = {"coarse": range(first), "middle": range(first, second), "fine": range(second, lods)}
    return {name: levels for name, levels in ranges.items() if levels}


def mix(rows: np.ndarray, columns: np.ndarray, levels: range) -> np.ndarray:
    """Mix each pair of a row and a column: the column's styles in the layers of `levels`, the row's in all others.

    From styles (R, 2L, w) and (C, 2L, w) to (R, C, 2L, w).
    """
    layers = np.arange(rows.shape[1])
    from_column = (2 * levels.start <= layers) & (layers < 2 * levels.stop)
    return np.where(from_column[:, None], columns[None], rows[:, None])


def interpolate(corners: np.ndarray, count: int) -> list[np.ndarray]:
    """Interpolate between 2, 3, 4 or more corners: a row, a triangle, a square, or a row from each to the next.

    Args:
        corners: their `make_latents`, from left to right, then from top to bottom.
        count: latents from one corner to the next, both included; at least 2.

    Returns:
        The latents of each row, with the shape and dtype of `corners` except for their number.

    Raises:
        AlaeError: there are fewer corners.
        ArgumentError: `count` is below 2.
    """
    _require_two("interpolation", corners, "corners", count)
    weights = _corner_weights(len(corners), count)
    w = np.tensordot(np.concatenate(weights), corners, 1).astype(corners.dtype)
    return np.split(w, np.cumsum([len(row) for row in weights])[:-1])


def interpolate_along(stops: np.ndarray, count: int, loop: bool = False) -> np.ndarray:
    """Interpolate from stop to stop, for the frames of an animation.

    Args:
        stops: their `make_latents`; at least 2.
        count: latents from one stop to the next, both included; at least 2.
        loop: whether to return to the first stop, which then is not repeated at the end.

    Returns:
        The latents in order, with the shape and dtype of `stops` except for their number.

    Raises:
        AlaeError: there are fewer stops.
        ArgumentError: `count` is below 2.
    """
    _require_two("an animation", stops, "stops", count)
    places = np.arange((len(stops) - (not loop)) * (count - 1) + (not loop)) / (count - 1)
    before = places.astype(int)
    share = (places - before).reshape(-1, *[1] * (stops.ndim - 1))
    first, second = stops[before % len(stops)], stops[(before + 1) % len(stops)]
    return (first + share * (second - first)).astype(stops.dtype)


def _require_two(figure: str, points: np.ndarray, name: str, count: int) -> None:
    if len(points) < 2:
        raise AlaeError(f"{figure} needs 2 or more {name}, not {len(points)}")
    if count < 2:
        raise ArgumentError("count", f"is {count}; it must be at least 2")


def _corner_weights(corners: int, count: int) -> list[np.ndarray]:
    """Return the weights of the corners in each image, (images, corners) for each row; they sum to 1."""
    last, steps = count - 1, np.arange(count)[:, None]
    if corners == 3:
        # Each row is one image shorter than the row above; the last is the third corner.
        return [
            np.hstack([last - down - right, right, np.full_like(right, down)]) / last
            for down, right in ((down, steps[: count - down]) for down in range(count))
        ]
    line = np.hstack([last - steps, steps]) / last
    if corners == 4:
        return [np.kron(pair, line) for pair in line[:, None]]
    return [np.pad(line, ((0, 0), (first, corners - first - 2))) for first in range(corners - 1)]
