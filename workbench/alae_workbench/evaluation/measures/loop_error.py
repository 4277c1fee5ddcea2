"""Errors of the two loops: reciprocity F(z) ≈ E(G(F(z))) in latent space, reconstruction x ≈ G(E(x)) in images."""

import numpy as np

from alae_core.streams import stream
from alae_workbench.evaluation.subject import Subject

#: maximum number of z that reciprocity is measured on
Z = 1024


def reciprocity_error(subject: Subject) -> float:
    """Return mean ‖F(z) − E(G(F(z)))‖² over the total variance of F(z), for z that no training step draws.

    0 is a closed loop; 1 is the error of always predicting the mean of w. The distance is divided by the
    variance because shrinking F(z) lowers the distance alone without closing the loop. Uses at most 1,024 z, no noise,
    and no images. With labels, each z has a random class. If reciprocity is z, E's estimate is compared with z itself.
    """
    code, estimate, _ = _latent_loop(subject)
    return float(np.square(code - estimate).sum(axis=1).mean() / code.var(axis=0).sum())


def reciprocity_error_details(subject: Subject) -> dict[str, float]:
    """Return the median and the maximum over dimensions of w, and the error in images.

    The error of a dimension is divided by the variance of that dimension. The error in images is the mean over pixels
    of (G(w) − G(E(G(w))))², without noise.
    """
    code, estimate, labels = _latent_loop(subject)
    model = subject.model
    errors = np.square(code - estimate).mean(axis=0) / np.maximum(code.var(axis=0), 1e-12)
    if model.config.reciprocity == "z":
        code, estimate = (model.map(z, labels=labels) for z in (code, estimate))
    images, again = (model.generate(w, subject.view, noise="none", labels=labels) for w in (code, estimate))
    return {
        "reciprocity_error_median": float(np.median(errors)),
        "reciprocity_error_worst": float(errors.max()),
        "reciprocity_error_pixels": float(np.square(images - again).mean()),
    }


def _latent_loop(subject: Subject) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Return w of held-out z, E's estimate of it from G(w), and the labels; z instead of w if E estimates z."""
    model, count = subject.model, subject.count(Z)
    z = model.sample_prior(count, seed=0)
    classes = model.config.labels
    labels = stream(0, "labels of held-out z").integers(classes, size=count) if classes else None
    w = model.map(z, labels=labels)
    estimate = model.reencode(w, subject.view, noise="none", labels=labels)
    return z if model.config.reciprocity == "z" else w, estimate, labels


def reconstruction_error(subject: Subject) -> float:
    """Return mean (x − G(E(x)))² over pixels and held-out images x in [−1, 1], without noise."""
    errors = [np.square(x - again).mean(axis=(1, 2, 3)) for x, again in subject.reconstructions()]
    return float(np.concatenate(errors).mean())
