"""LPIPS of reconstructions: how different from their originals they look to people."""

import numpy as np

from alae_workbench.evaluation.pretrained.lpips_networks import Trunk, lpips
from alae_workbench.evaluation.subject import Subject


def reconstruction_lpips(subject: Subject, trunk: Trunk) -> float:
    """Return the mean LPIPS of held-out images and their reconstructions, clipped to [−1, 1]; without noise.

    Raises as `pretrained.lpips_networks.lpips`.
    """
    distance = lpips(trunk, subject.cache, *subject.model.image_shape(subject.view)[:2])
    distances = []
    with subject.cache.progress(subject.count(len(subject.held_out)), "reconstructions") as advance:
        for x, again in subject.reconstructions():
            distances.append(distance(x, np.clip(again, -1, 1)))
            advance(len(x))
    return float(np.concatenate(distances).mean())
