"""Quality of samples and reconstructions: distances from real images in a feature space, and copying."""

from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256

import numpy as np

from alae_core import Alae
from alae_core.images import to_uint8
from alae_workbench.data.source import Source
from alae_workbench.evaluation.distances import (
    copied_share,
    density_coverage,
    frechet,
    kernel_distance,
    precision_recall,
)
from alae_workbench.evaluation.registry import UnmeasurableError
from alae_workbench.evaluation.spaces import Space, load_space
from alae_workbench.evaluation.subject import Subject
from alae_workbench.models.sampling import sample_in_batches, untruncated_psi

#: maximum number of samples, and of images they are compared with, unless the subject has a limit
COUNT = 10_000
# Density and coverage measure the distance of each image to its fifth nearest other one.
_LEAST = 6


def compare_samples(subject: Subject, space_name: str) -> dict[str, float | UnmeasurableError]:
    """Return the distances of samples G(F(z)) from as many training images, by the functions of `distances`.

    Samples and training images are bytes; styles are not truncated; each sample has its own noise. The training images
    are the first ones. `copied_…` also uses held-out images; it has no value if the model was trained on other images.

    Args:
        subject: its limit is the number of samples; default 10,000, or the number of training images if that is lower.
        space_name: the feature space.

    Raises UnmeasurableError if the limit exceeds the number of training images, or there are fewer than six.
    """
    space, train, limit = load_space(space_name), subject.train, subject.limit
    if limit is not None and limit > len(train):
        raise UnmeasurableError(f"{limit:,} samples are more than the {len(train):,} training images to compare with")
    count = min(limit or COUNT, len(train))
    if count < _LEAST:
        raise UnmeasurableError(f"there are {count} training images to compare with, but at least {_LEAST} are needed")
    real, generated = source_features(subject, space, train, count), sample_features(subject, space, count)
    precision, recall = precision_recall(real, generated)
    density, coverage = density_coverage(real, generated)
    values: dict[str, float | UnmeasurableError] = {
        "fd": frechet(real, generated),
        "kd": kernel_distance(real, generated),
        "precision": precision,
        "recall": recall,
        "density": density,
        "coverage": coverage,
        "copied": _measure_copied(subject, space, real, generated),
    }
    return {f"{name}_{space.name}": value for name, value in values.items()}


def _measure_copied(
    subject: Subject, space: Space, real: np.ndarray, generated: np.ndarray
) -> float | UnmeasurableError:
    try:
        subject.require_own()
    except UnmeasurableError as error:
        return error
    source = subject.held_out
    return copied_share(real, generated, source_features(subject, space, source, min(len(real), len(source))))


def compare_reconstructions(subject: Subject, space_name: str) -> float:
    """Return the Fréchet distance of held-out images and their reconstructions, at most 10,000, as bytes.

    Raises UnmeasurableError if there are fewer than six.
    """
    count = min(subject.limit or COUNT, len(subject.held_out))
    return frechet_of_reconstructions(subject, load_space(space_name), count)


def frechet_of_reconstructions(subject: Subject, space: Space, count: int) -> float:
    """Return the Fréchet distance of the first `count` held-out images and their reconstructions, as bytes.

    Raises UnmeasurableError if there are fewer than six.
    """
    if count < _LEAST:
        raise UnmeasurableError(f"there are {count} held-out images, but at least {_LEAST} are needed")
    model, source = subject.model, subject.held_out

    def reconstruct(start: int) -> Iterator[np.ndarray]:
        batches = subject.batches(source, count, start)
        return (model.reconstruct(x, subject.view, labels=labels) for x, labels in batches)

    key = {"reconstructions": model_digest(model), "of": source.fingerprint}
    reconstructed = _cache_features(subject, space, "reconstructions", key, reconstruct, count)
    return frechet(source_features(subject, space, source, count), reconstructed)


def model_digest(model: Alae) -> str:
    """Return SHA-256 of a model's configuration and weights, in hexadecimal digits."""
    digest = sha256(model.config.to_yaml().encode())
    for name, array in sorted(model.weights().items()):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def source_features(subject: Subject, space: Space, source: Source, count: int) -> np.ndarray:
    """Return features of the first `count` images of a source, as bytes, as the model sees them."""

    def read(start: int) -> Iterator[np.ndarray]:
        return (x for x, _ in subject.batches(source, count, start))

    return _cache_features(subject, space, "real images", {"images": source.fingerprint}, read, count)


def sample_features(subject: Subject, space: Space, count: int) -> np.ndarray:
    """Return features of `count` samples G(F(z)), not truncated, as bytes."""
    model = subject.model

    def draw(start: int) -> Iterator[np.ndarray]:
        return sample_in_batches(model, count, psi=untruncated_psi(model), view=subject.view, start=start)

    return _cache_features(subject, space, "samples", {"samples": model_digest(model)}, draw, count)


def _cache_features(
    subject: Subject,
    space: Space,
    things: str,
    key: Mapping[str, str],
    images: Callable[[int], Iterator[np.ndarray]],
    count: int,
) -> np.ndarray:
    """Return cached features (count, width) of images, which `images` yields in batches from a given start."""
    features = space.features(subject.cache)

    def compute(index: int) -> Iterator[tuple[int, np.ndarray]]:
        starts = subject.batch_starts(count, index)
        batches = zip(starts, images(starts[0]), strict=True)
        return ((start, features(to_uint8(x))) for start, x in batches)

    whole_key = {**key, "view": str(subject.view), "space": space.name}
    return subject.cache.rows(things, whole_key, count, space.width, compute)
