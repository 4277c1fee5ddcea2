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
    noise = "zero" if alae.is_style else None

    def estimates(part: slice) -> np.ndarray:
        its_labels = None if labels is None else labels[part]
        images = alae.generate(w[part], lod, blend, noise, labels=its_labels)
        return alae.encode(images, lod, blend, labels=its_labels)

    # In parts: images of all z at once would not fit into memory where images are large.
    estimate = np.concatenate([estimates(part) for part in alae.chunks(count)])
    return float(np.square(code - estimate).sum(axis=1).mean() / code.var(axis=0).sum())


def reconstruction_error(alae: Alae, images: Images, lod: int | None = None, blend: float = 1.0) -> float:
    """mean (x − G(E(x)))² over pixels and images, for x in [−1, 1], at one level of detail, without noise."""
    noise = "zero" if alae.is_style else None

    def errors(part: Images) -> np.ndarray:
        x = alae.at_level(part.floats(), lod, blend)
        again = alae.reconstruct(x, lod, blend, noise, labels=part.labels_for(alae.config))
        return np.square(x - again).mean(axis=(1, 2, 3))

    return float(np.concatenate([errors(images[part]) for part in alae.chunks(len(images))]).mean())
