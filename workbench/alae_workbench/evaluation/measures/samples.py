"""How samples and reconstructions compare with real images in a feature space, and whether samples are copies."""

from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256

import numpy as np

from alae_core import Alae, View
from alae_core.images import to_uint8
from alae_workbench.data.source import DataSet, Source
from alae_workbench.evaluation.cache import Keep
from alae_workbench.evaluation.distances import (
    copied,
    density_coverage,
    frechet,
    kernel_distance,
    precision_recall,
)
from alae_workbench.evaluation.registry import UnmeasurableError, When, measures, parts_seen, starts_from
from alae_workbench.evaluation.spaces import Random64, Space
from alae_workbench.models.sampling import sample_in_batches, untruncated_psi

#: samples, and training images that they are compared with, at the most
COUNT = 10_000
#: balls about a member reach to its fifth nearest other one
_LEAST = 6


def sample_quality(
    space: Space, alae: Alae, data: DataSet, view: View | None = None, most: int | None = None, keep: Keep | None = None
) -> Mapping[str, float]:
    """Samples G(F(z)), not truncated, beside as many training images, both as bytes: by the functions of `distances`.

    Args:
        space: where they are compared.
        alae, view: the model, and where it is looked at; noise is drawn for each image.
        data: its first training images are the real ones; held-out ones are what copies are told by.
        most: how many of each, at the most as many as training images; by default 10,000, or as many as there are.
        keep: where features are kept.

    Raises UnmeasurableError where there are too few training images.
    """
    view, keep = view or alae.view, keep or Keep()
    if most is not None and most > len(data.train):
        raise UnmeasurableError(
            f"{most:,} samples are more than the {len(data.train):,} training images to compare with"
        )
    count = min(most or COUNT, len(data.train))
    if count < _LEAST:
        raise UnmeasurableError(f"there are {count} training images to compare with, and it takes {_LEAST}")
    real, held_out = (
        features_of_source(space, source, alae, view, min(count, len(source)), keep)
        for source in (data.train, data.held_out)
    )
    other = features_of_samples(space, alae, view, count, keep)
    precision, recall = precision_recall(real, other)
    density, coverage = density_coverage(real, other)
    found = {
        "fd": frechet(real, other),
        "kd": kernel_distance(real, other),
        "precision": precision,
        "recall": recall,
        "density": density,
        "coverage": coverage,
        "copied": copied(real, other, held_out),
    }
    return {f"{name}_{space.name}": value for name, value in found.items()}


def reconstruction_quality(
    space: Space, alae: Alae, data: DataSet, view: View | None = None, most: int | None = None, keep: Keep | None = None
) -> Mapping[str, float]:
    """Held-out images beside their reconstructions, both as bytes: the Fréchet distance in a space."""
    view, keep, count = view or alae.view, keep or Keep(), min(most or COUNT, len(data.held_out))
    return {f"fd_{space.name}_reconstructions": frechet_of_reconstructions(space, alae, data, view, count, keep)}


def frechet_of_reconstructions(
    space: Space, alae: Alae, data: DataSet, view: View | None, count: int, keep: Keep
) -> float:
    """As `reconstruction_quality`, of the first `count` held-out images."""
    source = data.held_out
    if count < _LEAST:
        raise UnmeasurableError(f"there are {count} held-out images, and it takes {_LEAST}")

    def again(start: int) -> Iterator[np.ndarray]:
        parts = parts_seen(alae, source, view, count, start)
        return (alae.reconstruct(x, view, labels=labels) for x, labels in parts)

    of = {"reconstructions": digest(alae), "of": source.fingerprint}
    other = _kept(space, "reconstructions", of, again, alae, view, count, keep)
    return frechet(features_of_source(space, source, alae, view, count, keep), other)


def digest(alae: Alae) -> str:
    """SHA-256 of a model's configuration and weights."""
    found = sha256(alae.config.to_yaml().encode())
    for name, array in sorted(alae.weights().items()):
        found.update(name.encode())
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()


def features_of_source(
    space: Space, source: Source, alae: Alae, view: View | None, count: int, keep: Keep
) -> np.ndarray:
    """Features of the first `count` images of a source, as bytes, as the model sees them at a view."""

    def seen(start: int) -> Iterator[np.ndarray]:
        return (x for x, _ in parts_seen(alae, source, view, count, start))

    of = {"images": source.fingerprint}
    return _kept(space, "real images", of, seen, alae, view, count, keep)


def features_of_samples(space: Space, alae: Alae, view: View | None, count: int, keep: Keep) -> np.ndarray:
    """Features of `count` samples G(F(z)), not truncated, as bytes."""

    def drawn(start: int) -> Iterator[np.ndarray]:
        return sample_in_batches(alae, count, psi=untruncated_psi(alae), view=view, start=start)

    return _kept(space, "samples", {"samples": digest(alae)}, drawn, alae, view, count, keep)


def _kept(
    space: Space,
    what: str,
    of: Mapping[str, str],
    images: Callable[[int], Iterator[np.ndarray]],
    alae: Alae,
    view: View | None,
    count: int,
    keep: Keep,
) -> np.ndarray:
    """Features of images that come in the model's parts from any part on."""
    features = space.opened(keep)

    def rows(index: int) -> Iterator[tuple[int, np.ndarray]]:
        starts = starts_from(alae, count, view, index)
        return ((each, features(to_uint8(x))) for each, x in zip(starts, images(starts[0]), strict=True))

    return keep.rows(what, {**of, "view": str(view), "space": space.name}, count, space.width, rows)


def enter(space: Space, group: str, when: When = "named") -> None:
    """Enter the measures in one space into the table, as of a group, and when they are taken."""
    name, at = space.name, f"samples and training images, {space.name}"

    @measures(
        {
            f"fd_{name}": (f"Fréchet distance, {at}", "lower"),
            f"kd_{name}": (f"kernel distance, {at}", "lower"),
            f"precision_{name}": (f"precision, {at}", "higher"),
            f"recall_{name}": (f"recall, {at}", "higher"),
            f"density_{name}": (f"density, {at}", "higher"),
            f"coverage_{name}": (f"coverage, {at}", "higher"),
            f"copied_{name}": (f"samples nearer to a training image than held-out ones are, {name}", ""),
        },
        networks="GF",
        when=when,
        group=group,
    )
    def of_samples(alae: Alae, data: DataSet, view: View | None, most: int | None, keep: Keep) -> Mapping[str, float]:
        return sample_quality(space, alae, data, view, most, keep)

    @measures(
        {f"fd_{name}_reconstructions": (f"Fréchet distance, held-out images and reconstructions, {name}", "lower")},
        networks="GE",
        when=when,
        group=group,
    )
    def of_reconstructions(
        alae: Alae, data: DataSet, view: View | None, most: int | None, keep: Keep
    ) -> Mapping[str, float]:
        return reconstruction_quality(space, alae, data, view, most, keep)


enter(Random64(), __name__.rpartition(".")[2], "asked")
