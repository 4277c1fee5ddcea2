"""Samples of a model, by seeds."""

from collections.abc import Iterator

import numpy as np

from alae_core import Alae, View
from alae_core.streams import Noise, prior_parts, require_seed
from alae_workbench.models.opening import check_options

#: where a model has labels, samples take the classes in turn along rows of so many
ROW = 12


def sample(
    alae: Alae,
    count: int,
    *,
    seed: int = 0,
    label: int | None = None,
    psi: float | None = None,
    view: View | None = None,
    noise: Noise = "fixed",
) -> np.ndarray:
    """`count` samples G(F(z)): (count, H, W, C).

    Args:
        alae: the model.
        count, seed: how many, and what decides every z.
        label: with a model of labels the class of all; by default the classes in turn along each row of a grid.
        psi: how far styles are truncated, by default as the configuration says; 1 is no truncation.
        view, noise: see `Alae.generate`.

    Raises:
        ArgumentError: the model has no such class, or no styles to truncate; or as `Alae.generate`.
    """
    parts = sample_in_batches(alae, count, seed=seed, label=label, psi=psi, view=view, noise=noise)
    return np.concatenate(list(parts))


def sample_in_batches(
    alae: Alae,
    count: int,
    *,
    seed: int = 0,
    label: int | None = None,
    psi: float | None = None,
    view: View | None = None,
    noise: Noise = "fixed",
    start: int = 0,
) -> Iterator[np.ndarray]:
    """As `sample`, in parts of as many images as the model works on at a time: for more than memory would hold.

    `start` leaves out the parts that begin before it.
    """
    check_options(alae.config, alae.view, psi=psi, label=label)
    sizes = (part.stop - part.start for part in alae.chunks(count, view))
    priors = prior_parts(sizes, alae.config.networks.z, seed=require_seed(seed))

    def make(part: slice, z: np.ndarray) -> np.ndarray:
        w = alae.map(z)
        if alae.w_mean is not None or psi is not None:
            w = alae.truncate(w, psi)
        maps = noise if isinstance(noise, str) else [each[part] if len(each) == count else each for each in noise]
        if not alae.config.labels:
            return alae.generate(w, view, noise=maps)
        in_turn = np.arange(part.start, part.stop) % ROW % alae.config.labels
        return alae.generate(w, view, noise=maps, labels=in_turn if label is None else np.full(len(z), label))

    parts = zip(alae.chunks(count, view), priors, strict=True)
    return (make(part, z) for part, z in parts if part.start >= start)


def untruncated_psi(alae: Alae) -> float | None:
    """The ψ that truncates nothing: 1, or None for a model that has no styles to truncate."""
    return None if alae.w_mean is None else 1.0
