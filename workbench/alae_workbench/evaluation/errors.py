"""How far the two loops of the autoencoder are from closed: in latent space and in images."""

import numpy as np

from alae_core import Alae
from alae_core.latents import stream
from alae_workbench.data.images import Images


def reciprocity_error(alae: Alae, count: int = 1024) -> float:
    """mean ‖F(z) − E(G(F(z)))‖² / total variance of F(z), over `count` z that no training step draws.

    0 is a closed loop; 1 is no better than always answering the mean w. Dividing by the variance matters: a shrinking
    F lowers the plain distance without closing anything. With labels, each z gets a random class.
    """
    w = alae.map(alae.sample_prior(count, seed=0))
    classes = alae.config.labels
    labels = stream(0, "labels of held-out z").integers(classes, size=count) if classes else None
    distance = np.square(w - alae.encode(alae.generate(w, labels=labels), labels=labels)).sum(axis=1).mean()
    return float(distance / w.var(axis=0).sum())


def reconstruction_error(alae: Alae, images: Images) -> float:
    """mean (x − G(E(x)))² over pixels and images, for x in [−1, 1]."""
    x = images.floats()
    return float(np.square(x - alae.reconstruct(x, labels=images.labels_for(alae.config))).mean())
