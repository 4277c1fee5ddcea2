"""Samples of a model, determined by a seed."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from alae_core import View
from alae_core.streams import Noise, prior_parts, require_seed
from alae_workbench.models.opening import check_options

if TYPE_CHECKING:
    from alae_core import Alae

#: images in a row of a grid; a model with labels is sampled one class after the other along such rows
ROW = 12


def sample(
    alae: "Alae",
    count: int,
    *,
    seed: int = 0,
    label: int | None = None,
    psi: float | None = None,
    view: View | None = None,
    noise: Noise = "fixed",
) -> np.ndarray:
    """Draw `count` samples G(F(z)): floats (count, H, W, C).

    Args:
        alae: the model.
        count, seed: the number of samples, and the seed of their z.
        label: the class of all samples, for a model with labels; by default each class in turn along each row of a
            grid.
        psi: truncation ψ in [0, 1], where 1 does not truncate; by default the configuration's.
        view, noise: see `Alae.generate`.

    Raises:
        ArgumentError: the model lacks this class, or styles to truncate; or as `Alae.generate`.
    """
    batches = sample_in_batches(alae, count, seed=seed, label=label, psi=psi, view=view, noise=noise)
    return np.concatenate(list(batches))


def sample_in_batches(
    alae: "Alae",
    count: int,
    *,
    seed: int = 0,
    label: int | None = None,
    psi: float | None = None,
    view: View | None = None,
    noise: Noise = "fixed",
    start: int = 0,
) -> Iterator[np.ndarray]:
    """Draw the samples of `sample` one batch at a time, so that few are in memory; skip batches that begin before
    sample number `start`.
    """
    check_options(alae.config, alae.view, psi=psi, label=label)
    sizes = (part.stop - part.start for part in alae.chunks(count, view))
    priors = prior_parts(sizes, alae.config.networks.z, seed=require_seed(seed))

    def draw(part: slice, z: np.ndarray) -> np.ndarray:
        w = alae.map(z)
        if alae.w_mean is not None or psi is not None:
            w = alae.truncate(w, psi)
        maps = noise if isinstance(noise, str) else [array[part] if len(array) == count else array for array in noise]
        if not alae.config.labels:
            return alae.generate(w, view, noise=maps)
        in_turn = np.arange(part.start, part.stop) % ROW % alae.config.labels
        return alae.generate(w, view, noise=maps, labels=in_turn if label is None else np.full(len(z), label))

    # Lazy, because `count` may be larger than memory.
    parts = zip(alae.chunks(count, view), priors, strict=True)
    return (draw(part, z) for part, z in parts if part.start >= start)


def untruncated_psi(alae: "Alae") -> float | None:
    """Return the `psi` for samples without truncation: 1, or None for a model without styles."""
    return None if alae.w_mean is None else 1.0
