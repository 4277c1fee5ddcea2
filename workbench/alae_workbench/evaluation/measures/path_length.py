"""Perceptual path length (PPL): how much images change along paths in the latent spaces.

Karras et al. 2019, section 4.1: a small step from one latent to another should change an image a little, and by the
same amount everywhere.
"""

from collections.abc import Iterator
from typing import Literal

import numpy as np

from alae_core.streams import prior_parts, stream
from alae_workbench.evaluation.measures.sample_quality import model_digest
from alae_workbench.evaluation.pretrained.lpips_networks import Distance, lpips
from alae_workbench.evaluation.subject import Subject
from alae_workbench.models.mixing import take_turns

#: maximum number of paths
COUNT = 50_000
#: the step along a path
EPSILON = 1e-4
#: images of a longer side are downsampled before they are compared, in pixels
_LARGEST = 256
Latent = Literal["z", "w"]
Where = Literal["full", "end"]


def path_length(subject: Subject, latent: Latent, where: Where, crop: bool) -> float:
    """Return PPL: the mean LPIPS by VGG16 of two images a step of 1e-4 apart, divided by the step squared.

    The 1 % of paths with the shortest steps and the 1 % with the longest are left out, as in Karras et al.'s code.
    Styles are not truncated; both ends of a step have the same noise.

    Args:
        subject: its limit is the number of paths, at most and by default 50,000.
        latent: "z" for arcs in z, "w" for straight lines in w.
        where: "full" for steps at a random position of each path, "end" for steps at its start.
        crop: compare the centre of faces only, as Karras et al. do for CelebA-HQ and FFHQ.

    Raises as `pretrained.lpips_networks.lpips`.
    """
    model, view, count = subject.model, subject.view, subject.count(COUNT)
    height, width, channels = model.image_shape(view)
    shape = crop_and_shrink(np.empty((1, height, width, channels), np.float32), crop).shape
    distance = lpips("vgg", subject.cache, *shape[1:3])

    def compute(index: int) -> Iterator[tuple[int, np.ndarray]]:
        starts = subject.batch_starts(count, index)
        return zip(starts, step_lengths(subject, latent, where, crop, count, distance, starts[0]), strict=True)

    key = {"paths": model_digest(model), "latent": latent, "where": where, "crop": crop, "view": str(view)}
    return trimmed_mean(subject.cache.rows("paths", key, count, 1, compute)[:, 0])


def step_lengths(
    subject: Subject, latent: Latent, where: Where, crop: bool, count: int, distance: Distance, start: int = 0
) -> Iterator[np.ndarray]:
    """Yield batches (batch, 1) of the distance of two images a step apart, over the step squared, one for each path.

    Batches before path `start` are skipped.
    """
    model, view = subject.model, subject.view
    sizes = [part.stop - part.start for part in model.chunks(count, view)]
    ends = [prior_parts(sizes, model.config.networks.z, seed=0, purpose=f"path/{end}") for end in ("from", "to")]
    positions = stream(0, "path/at").random(count) if where == "full" else np.zeros(count)
    for part, z0, z1 in zip(model.chunks(count, view), *ends, strict=True):
        if part.start < start:
            continue
        t, labels = positions[part, None], take_turns(model, range(part.start, part.stop))
        if latent == "z":
            pair = [model.map(interpolate_arc(z0, z1, share), labels=labels) for share in (t, t + EPSILON)]
        else:
            a, b = (model.map(z, labels=labels).astype(np.float64) for z in (z0, z1))
            pair = [(a + (b - a) * share).astype(np.float32) for share in (t, t + EPSILON)]
        images = [crop_and_shrink(model.generate(w, view, labels=labels), crop) for w in pair]
        yield distance(*images)[:, None] / EPSILON**2


def interpolate_arc(a: np.ndarray, b: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Return z float32 (count, n) a share t (count, 1) of the way from a to b: directions along the great circle,
    lengths linearly.
    """
    a, b = a.astype(np.float64), b.astype(np.float64)
    lengths = [np.linalg.norm(z, axis=1, keepdims=True) for z in (a, b)]
    one, other = a / lengths[0], b / lengths[1]
    cosine = np.sum(one * other, axis=1, keepdims=True)
    across = other - cosine * one
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    angle = t * np.arccos(np.clip(cosine, -1, 1))
    z = (one * np.cos(angle) + across * np.sin(angle)) * (lengths[0] + (lengths[1] - lengths[0]) * t)
    return np.asarray(z.astype(np.float32))


def crop_and_shrink(images: np.ndarray, crop: bool) -> np.ndarray:
    """Crop images (count, H, W, C) to the centre of a face if `crop`; average blocks down to at most 256 pixels."""
    height, width = images.shape[1:3]
    if crop:
        images = images[:, height // 8 * 3 : height // 8 * 7, width // 8 * 2 : width // 8 * 6]
    count, height, width, channels = images.shape
    factor = min(height, width) // _LARGEST
    if factor <= 1:
        return images
    whole = images[:, : height // factor * factor, : width // factor * factor]
    blocks = whole.reshape(count, height // factor, factor, width // factor, factor, channels)
    return np.asarray(blocks.mean(axis=(2, 4)))


def trimmed_mean(distances: np.ndarray) -> float:
    """Return the mean without the lowest and the highest 1 %."""
    low = np.percentile(distances, 1, method="lower")
    high = np.percentile(distances, 99, method="higher")
    return float(distances[(low <= distances) & (distances <= high)].mean(dtype=np.float64))
