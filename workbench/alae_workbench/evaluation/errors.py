"""How far the two loops of the autoencoder are from closed: in latent space and in images."""

import numpy as np

from alae_core import Alae
from alae_core.latents import stream
from alae_workbench.data.images import Images


def reciprocity_error(alae: Alae, count: int = 1024, lod: int | None = None, blend: float = 1.0) -> float:
    """mean ‖F(z) − E(G(F(z)))‖² / total variance of F(z), over `count` z that no training step draws.

    0 is a closed loop; 1 is no better than always answering the mean w. Dividing by the variance matters: a shrinking
    F lowers the plain distance without closing anything. With labels, each z gets a random class; where reciprocity is
    z, E's estimate is held against z itself. Style networks are measured at one level of detail, without noise.
    """
    z = alae.sample_prior(count, seed=0)
    w = alae.map(z)
    code = z if alae.config.reciprocity == "z" else w
    classes = alae.config.labels
    labels = stream(0, "labels of held-out z").integers(classes, size=count) if classes else None
    images = alae.generate(w, lod, blend, "zero" if alae.is_style else None, labels=labels)
    distance = np.square(code - alae.encode(images, lod, blend, labels=labels)).sum(axis=1).mean()
    return float(distance / code.var(axis=0).sum())


def reconstruction_error(alae: Alae, images: Images, lod: int | None = None, blend: float = 1.0) -> float:
    """mean (x − G(E(x)))² over pixels and images, for x in [−1, 1], at one level of detail, without noise."""
    x = alae.at_level(images.floats(), lod, blend)
    noise = "zero" if alae.is_style else None
    again = alae.reconstruct(x, lod, blend, noise, labels=images.labels_for(alae.config))
    return float(np.square(x - again).mean())
