"""FID, KID, precision and recall of 50,000 samples in Inception's features, as papers report them, and FID of
reconstructions.

The real images are the first 50,000 training images, or all if there are fewer. Samples and real images are bytes. The
same distances of fewer samples have other names: `fd_inception_…`.
"""

import numpy as np

from alae_workbench.evaluation import distances
from alae_workbench.evaluation.measures.sample_quality import (
    frechet_of_reconstructions,
    sample_features,
    source_features,
)
from alae_workbench.evaluation.pretrained.inception import Resize
from alae_workbench.evaluation.registry import FID_SAMPLES, UnmeasurableError
from alae_workbench.evaluation.spaces import load_space
from alae_workbench.evaluation.subject import Subject


def fid(subject: Subject, resize: Resize) -> float:
    """Return the Fréchet distance. Raises UnmeasurableError if the subject's limit is below 50,000."""
    return distances.frechet(*_compute_features(subject, resize))


def kid(subject: Subject, resize: Resize) -> float:
    """Return the kernel distance, the mean of 100 subsets of 1,000. Raises as `fid`."""
    return distances.kernel_distance_of_subsets(*_compute_features(subject, resize))


def precision_and_recall(subject: Subject, resize: Resize) -> dict[str, float]:
    """Return precision and recall, k = 3. Raises as `fid`."""
    precision, recall = distances.precision_recall(*_compute_features(subject, resize))
    return {f"precision50k_{resize}": precision, f"recall50k_{resize}": recall}


def reconstruction_fid(subject: Subject, resize: Resize) -> float:
    """Return the Fréchet distance of held-out images and their reconstructions, at most 50,000."""
    count = min(subject.limit or FID_SAMPLES, len(subject.held_out))
    return frechet_of_reconstructions(subject, load_space(f"inception_{resize}"), count)


def _compute_features(subject: Subject, resize: Resize) -> tuple[np.ndarray, np.ndarray]:
    """Return features of training images and of 50,000 samples."""
    name = f"inception_{resize}"
    if subject.limit is not None and subject.limit < FID_SAMPLES:
        raise UnmeasurableError(
            f"its name promises {FID_SAMPLES:,} samples, not {subject.limit:,}: omit --count, or measure fd_{name}"
        )
    space = load_space(name)
    real = source_features(subject, space, subject.train, min(FID_SAMPLES, len(subject.train)))
    return real, sample_features(subject, space, FID_SAMPLES)
