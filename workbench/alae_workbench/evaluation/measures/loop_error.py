"""How far the two loops of the autoencoder are from closed: in latent space and in images."""

from collections.abc import Mapping

import numpy as np

from alae_core import Alae, View
from alae_core.streams import stream
from alae_workbench.data.source import DataSet
from alae_workbench.evaluation.cache import Keep
from alae_workbench.evaluation.registry import measure, measures, reconstructed

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
    code, estimate, _ = _loop(alae, view, most)
    return float(np.square(code - estimate).sum(axis=1).mean() / code.var(axis=0).sum())


@measures(
    {
        "reciprocity_error_median": ("reciprocity error of one dimension, the median of all", "lower"),
        "reciprocity_error_worst": ("reciprocity error of one dimension, the worst", "lower"),
        "reciprocity_error_pixels": ("reciprocity error in images: (G(w) − G(E(G(w))))², held-out z", "lower"),
    },
    networks="FGE",
)
def reciprocity_errors(
    alae: Alae, data: DataSet | None = None, view: View | None = None, most: int | None = None, keep: Keep | None = None
) -> Mapping[str, float]:
    """The reciprocity error of each dimension over that dimension's own variance, and the error of images.

    Images are G(w), once more encoded and drawn: mean (G(w) − G(E(G(w))))² over pixels; without noise.
    """
    code, estimate, labels = _loop(alae, view, most)
    each = np.square(code - estimate).mean(axis=0) / np.maximum(code.var(axis=0), 1e-12)
    if alae.config.reciprocity == "z":
        code, estimate = alae.map(code), alae.map(estimate)
    images, again = (alae.generate(w, view, noise="none", labels=labels) for w in (code, estimate))
    return {
        "reciprocity_error_median": float(np.median(each)),
        "reciprocity_error_worst": float(each.max()),
        "reciprocity_error_pixels": float(np.square(images - again).mean()),
    }


def _loop(alae: Alae, view: View | None, most: int | None) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """w of held-out z, or z where E estimates that; what E makes of G(w); and the labels, if the model has any."""
    count = min(most or Z, Z)
    z = alae.sample_prior(count, seed=0)
    w = alae.map(z)
    classes = alae.config.labels
    labels = stream(0, "labels of held-out z").integers(classes, size=count) if classes else None
    return z if alae.config.reciprocity == "z" else w, alae.reencode(w, view, noise="none", labels=labels), labels


@measure("reconstruction error (x − G(E(x)))², held-out images", networks="GE", when="checkpoint")
def reconstruction_error(alae: Alae, data: DataSet, view: View | None = None, most: int | None = None) -> float:
    """mean (x − G(E(x)))² over pixels and held-out images, for x in [−1, 1]; without noise.

    Args:
        alae: the model.
        data: its held-out images are looked at, the first `most` of them.
        view: where networks that grow are looked at.
        most: how many images at the most.
    """
    pairs = reconstructed(alae, data.held_out, view or alae.view, most)
    errors = [np.square(x - again).mean(axis=(1, 2, 3)) for x, again in pairs]
    return float(np.concatenate(errors).mean())
