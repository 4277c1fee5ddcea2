"""Consistency of w: whether decoding and encoding again returns the same w, with and without an edit."""

import numpy as np

from alae_workbench.evaluation.registry import UnmeasurableError
from alae_workbench.evaluation.subject import Subject

#: principal directions of E(x) that edits follow, and their length in standard deviations of w along them
DIRECTIONS, DEVIATIONS = 3, 2.0


def measure_consistency(subject: Subject) -> dict[str, float]:
    """Return mean ‖w − (E(G(w + d)) − d)‖² over the total variance of w = E(x) of held-out images, without noise.

    0 is perfect; 1 is the error of always predicting the mean of w. After the latent editing consistency of Tov et al.
    2021 (e4e, section 5.1).

    Returns:
        round_trip: without an edit, d = 0.
        edit_round_trip: the mean over six edits d, two standard deviations up and down each of the first three
            principal directions of w.

    Raises UnmeasurableError if E estimates z, because an edit of w cannot be read from an estimate of z.
    """
    model, view = subject.model, subject.view
    if model.config.reciprocity == "z":
        raise UnmeasurableError("E estimates z here, and an edit of w cannot be read back from that")
    encoded = [(model.encode(x, view, labels=labels), labels) for x, labels in subject.batches(subject.held_out)]
    w = np.concatenate([part for part, _ in encoded]).astype(np.float64)
    variances, directions = np.linalg.eigh(np.cov(w, rowvar=False).reshape(w.shape[1], -1))
    deviations = np.sqrt(np.maximum(variances[::-1][:DIRECTIONS], 0))
    steps = directions.T[::-1][:DIRECTIONS] * DEVIATIONS * deviations[:, None]

    def error(edit: np.ndarray) -> float:
        returned = [
            model.reencode((part + edit).astype(part.dtype), view, noise="none", labels=labels) - edit
            for part, labels in encoded
        ]
        return float(np.square(w - np.concatenate(returned)).sum(axis=1).mean() / w.var(axis=0).sum())

    edits = [error(sign * step) for step in steps for sign in (1, -1)]
    return {"round_trip": error(np.zeros(w.shape[1])), "edit_round_trip": float(np.mean(edits))}
