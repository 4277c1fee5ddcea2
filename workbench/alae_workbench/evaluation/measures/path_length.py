"""How much images change along paths in the latent spaces: perceptual path length (PPL).

Karras et al. 2019, section 4.1. A small step along a path from one latent to another should change an image a little,
and everywhere alike.
"""

from collections.abc import Iterator, Mapping
from typing import Literal, get_args

import numpy as np

from alae_core import Alae, View
from alae_core.streams import prior_parts, stream
from alae_workbench.data.source import DataSet
from alae_workbench.evaluation.cache import Keep
from alae_workbench.evaluation.measures.samples import digest
from alae_workbench.evaluation.pretrained.lpips_networks import Distance, lpips
from alae_workbench.evaluation.registry import measures, starts_from

#: paths, unless there shall be fewer
COUNT = 50_000
#: the step along a path
EPSILON = 1e-4
#: the largest image that VGG16 is shown
_LARGEST = 256
Latent = Literal["z", "w"]
Where = Literal["full", "end"]


def path_length(
    latent: Latent, where: Where, crop: bool, alae: Alae, view: View | None, count: int, keep: Keep
) -> float:
    """PPL of `count` paths: the mean LPIPS by VGG16 of two images a step of 1e-4 apart, over the step squared.

    Of all paths, the hundredth with the shortest steps and the hundredth with the longest are left out, as in Karras et
    al.'s code. Nothing is truncated; the noise is the same at both ends of a step.

    Args:
        latent: paths are arcs in z, or straight lines in w.
        where: steps begin anywhere on a path, or at its start.
        crop: only the middle of a face is looked at, as in Karras et al.'s figures for CelebA-HQ and FFHQ.
        alae, view: the model and where it is looked at.
        count: how many paths.
        keep: where steps are kept.

    Raises UnmeasurableError as `lpips` does.
    """
    height, width, channels = alae.image_shape(view)
    shape = shown(np.empty((1, height, width, channels), np.float32), crop).shape
    distance = lpips("vgg", keep, *shape[1:3])

    def rows(index: int) -> Iterator[tuple[int, np.ndarray]]:
        starts = starts_from(alae, count, view, index)
        return zip(starts, steps(latent, where, crop, alae, view, count, distance, starts[0]), strict=True)

    of = {"paths": digest(alae), "latent": latent, "where": where, "crop": crop, "view": str(view)}
    return kept_mean(keep.rows("paths", of, count, 1, rows)[:, 0])


def steps(
    latent: Latent,
    where: Where,
    crop: bool,
    alae: Alae,
    view: View | None,
    count: int,
    distance: Distance,
    start: int = 0,
) -> Iterator[np.ndarray]:
    """For each path the distance of two images a step apart over the step squared, (part, 1), in the model's parts."""
    sizes = [part.stop - part.start for part in alae.chunks(count, view)]
    ends = [prior_parts(sizes, alae.config.networks.z, seed=0, purpose=f"path/{end}") for end in ("from", "to")]
    at = stream(0, "path/at").random(count) if where == "full" else np.zeros(count)
    for part, one, other in zip(alae.chunks(count, view), *ends, strict=True):
        if part.start < start:
            continue
        t = at[part, None]
        if latent == "z":
            pair = [alae.map(arc(one, other, each)) for each in (t, t + EPSILON)]
        else:
            a, b = (alae.map(z).astype(np.float64) for z in (one, other))
            pair = [(a + (b - a) * each).astype(np.float32) for each in (t, t + EPSILON)]
        classes = alae.config.labels
        labels = np.arange(part.start, part.stop) % classes if classes else None
        images = [shown(alae.generate(w, view, labels=labels), crop) for w in pair]
        yield distance(*images)[:, None] / EPSILON**2


def arc(a: np.ndarray, b: np.ndarray, t: np.ndarray) -> np.ndarray:
    """z (count, n), float32, a share t of the way from a to b: along the great circle, its length along a line."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    lengths = [np.linalg.norm(z, axis=1, keepdims=True) for z in (a, b)]
    one, other = a / lengths[0], b / lengths[1]
    cosine = np.sum(one * other, axis=1, keepdims=True)
    across = other - cosine * one
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    angle = t * np.arccos(np.clip(cosine, -1, 1))
    found = (one * np.cos(angle) + across * np.sin(angle)) * (lengths[0] + (lengths[1] - lengths[0]) * t)
    return np.asarray(found.astype(np.float32))


def shown(images: np.ndarray, crop: bool) -> np.ndarray:
    """What of images (count, H, W, C) is compared: the middle of a face or all, by means of areas at most 256 wide."""
    height, width = images.shape[1:3]
    if crop:
        images = images[:, height // 8 * 3 : height // 8 * 7, width // 8 * 2 : width // 8 * 6]
    count, height, width, channels = images.shape
    by = min(height, width) // _LARGEST
    if by <= 1:
        return images
    parts = images[:, : height // by * by, : width // by * by]
    return np.asarray(parts.reshape(count, height // by, by, width // by, by, channels).mean(axis=(2, 4)))


def kept_mean(distances: np.ndarray) -> float:
    """The mean without the lowest and the highest hundredth."""
    low = np.percentile(distances, 1, method="lower")
    high = np.percentile(distances, 99, method="higher")
    return float(distances[(low <= distances) & (distances <= high)].mean(dtype=np.float64))


def _enter(latent: Latent, where: Where, crop: bool) -> None:
    name = f"ppl_{latent}_{where}{'_crop' if crop else ''}"
    label = f"perceptual path length in {latent}, {where}{', the middle of faces' if crop else ''}"

    @measures({name: (label, "lower")}, networks="GF", when="named")
    def of_one(alae: Alae, data: DataSet, view: View | None, most: int | None, keep: Keep) -> Mapping[str, float]:
        return {name: path_length(latent, where, crop, alae, view or alae.view, min(most or COUNT, COUNT), keep)}


for _latent in get_args(Latent):
    for _where in get_args(Where):
        for _crop in (False, True):
            _enter(_latent, _where, _crop)
