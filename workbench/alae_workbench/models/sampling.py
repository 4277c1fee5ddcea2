"""Samples of a model, determined by a seed."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from alae_core import View
from alae_core.streams import Noise, prior_parts, require_seed, sample_prior
from alae_workbench.models.mixing import map_prior
from alae_workbench.models.option_checks import check_options

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
    latents = draw_latents(alae, count, seed=seed, label=label, psi=psi, view=view, start=start)
    return (images for _, images in generate_in_batches(alae, latents, count, label=label, view=view, noise=noise))


def draw_latents(
    alae: "Alae",
    count: int,
    *,
    seed: int = 0,
    label: int | None = None,
    psi: float | None = None,
    view: View | None = None,
    start: int = 0,
    each: bool = False,
) -> Iterator[tuple[slice, np.ndarray]]:
    """Draw the latents of samples one batch at a time: the place of each batch, and its `map_prior`.

    Args:
        alae: the model.
        count, seed, label, psi, view, start: see `sample_in_batches`.
        each: whether sample number i is the one sample of seed `seed` + i, instead of sample number i of `seed`.
    """
    size = alae.config.networks.z
    require_seed(seed + count - 1 if each else seed)
    # Lazy, because `count` may be larger than memory. Skipped batches of one seed are drawn, too.
    if each:
        seeds = (range(seed + part.start, seed + part.stop) for part in alae.chunks(count, view))
        priors: Iterator[np.ndarray] = (
            np.concatenate([sample_prior(1, size, seed=one) for one in part]) for part in seeds
        )
    else:
        priors = prior_parts((part.stop - part.start for part in alae.chunks(count, view)), size, seed=seed)
    parts = zip(alae.chunks(count, view), priors, strict=True)
    return (
        (part, map_prior(alae, z, psi, _choose_labels(alae, part, label))) for part, z in parts if part.start >= start
    )


def generate_in_batches(
    alae: "Alae",
    latents: Iterable[tuple[slice, np.ndarray]],
    count: int,
    *,
    label: int | None = None,
    view: View | None = None,
    noise: Noise = "fixed",
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the latents of each batch, and their images G(w).

    Args:
        alae: the model.
        latents: the place of each batch among `count` images, and its latents.
        count: the number of images.
        label, view, noise: see `sample`.
    """
    for part, w in latents:
        maps = noise if isinstance(noise, str) else [array[part] if len(array) == count else array for array in noise]
        yield w, alae.generate(w, view, noise=maps, labels=_choose_labels(alae, part, label))


def _choose_labels(alae: "Alae", part: slice, label: int | None) -> np.ndarray | None:
    """Return the class numbers of the samples in `part`; None for a model without labels."""
    if not alae.config.labels:
        return None
    numbers = np.arange(part.start, part.stop)
    return numbers % ROW % alae.config.labels if label is None else np.full(len(numbers), label)


def untruncated_psi(alae: "Alae") -> float | None:
    """Return the `psi` for samples without truncation: 1, or None for a model without styles."""
    return None if alae.w_mean is None else 1.0
