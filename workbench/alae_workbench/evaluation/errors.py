"""How far the two loops of the autoencoder are from closed: in latent space and in images."""

import numpy as np

from alae_core import Alae, View
from alae_core.latents import stream
from alae_workbench.data.source import DataSet
from alae_workbench.evaluation.measures import measure, parts_seen

#: z that the loop in latent space is measured on, unless there shall be fewer
Z = 1024


@measure(
    "reciprocity error ‖F(z) − E(G(F(z)))‖² / var F(z), held-out z",
    networks="FGE",
    when="report",
    symbol="F(z)≈E(G(F(z)))",
)
def reciprocity_error(
    alae: Alae, data: DataSet | None = None, view: View | None = None, most: int | None = None
) -> float:
    """mean ‖F(z) − E(G(F(z)))‖² / total variance of F(z), over z that no training step draws; without noise.

    0 is a closed loop; 1 is no better than always answering the mean w. Dividing by the variance matters: a shrinking
    F lowers the plain distance without closing anything. With labels, each z gets a random class; where reciprocity is
    z, E's estimate is held against z itself. Images take no part.

    Args:
        alae: the model.
        data: not looked at.
        view: where networks that grow are looked at.
        most: how many z at the most, of 1,024.
    """
    count = min(most or Z, Z)
    z = alae.sample_prior(count, seed=0)
    w = alae.map(z)
    classes = alae.config.labels
    labels = stream(0, "labels of held-out z").integers(classes, size=count) if classes else None
    code = z if alae.config.reciprocity == "z" else w
    estimate = alae.reencode(w, view, noise="none", labels=labels)
    return float(np.square(code - estimate).sum(axis=1).mean() / code.var(axis=0).sum())


@measure("reconstruction error (x − G(E(x)))², held-out images", networks="GE", when="checkpoint")
def reconstruction_error(alae: Alae, data: DataSet, view: View | None = None, most: int | None = None) -> float:
    """mean (x − G(E(x)))² over pixels and held-out images, for x in [−1, 1]; without noise.

    Args:
        alae: the model.
        data: its held-out images are looked at, the first `most` of them.
        view: where networks that grow are looked at.
        most: how many images at the most.
    """
    source, view = data.held_out, view or alae.view
    count = min(most or len(source), len(source))
    errors = [
        np.square(x - alae.reconstruct(x, view, noise="none", labels=labels)).mean(axis=(1, 2, 3))
        for x, labels in parts_seen(alae, source, view, count)
    ]
    return float(np.concatenate(errors).mean())
