"""Spread of w: how many of its dimensions F(z) and E(x) use."""

import numpy as np

from alae_workbench.evaluation.subject import Subject
from alae_workbench.models.mixing import map_samples

#: maximum number of z
Z = 10_000


def spread_of_encodings(subject: Subject) -> dict[str, float]:
    """Return `rank` and `isotropy` of E(x) over held-out images."""
    batches = subject.batches(subject.held_out)
    w = np.concatenate([subject.model.encode(x, subject.view, labels=labels) for x, labels in batches])
    return {"rank_encoded": rank(w), "isotropy_encoded": isotropy(w)}


def spread_of_prior(subject: Subject) -> dict[str, float]:
    """Return `rank` and `isotropy` of F(z) over at most 10,000 z that no training step draws."""
    w = map_samples(subject.model, subject.count(Z))
    return {"rank_mapped": rank(w), "isotropy_mapped": isotropy(w)}


def rank(w: np.ndarray) -> float:
    """Return the effective rank of rows (count, n): exp of the entropy of the covariance's eigenvalues.

    From 1, if all rows lie on a line, to n, if all directions vary equally (Roy and Vetterli 2007).
    """
    shares = _eigenvalue_shares(w)
    shares = shares[shares > 0]
    return float(np.exp(-np.sum(shares * np.log(shares))))


def isotropy(w: np.ndarray) -> float:
    """Return the geometric over the arithmetic mean of the covariance's eigenvalues.

    1 if all directions vary equally, 0 if one does not vary.
    """
    shares = _eigenvalue_shares(w)
    return float(np.exp(np.mean(np.log(np.maximum(shares, 1e-30)))) * len(shares)) if shares.min() > 1e-12 else 0.0


def _eigenvalue_shares(w: np.ndarray) -> np.ndarray:
    """Return the eigenvalues of the covariance of rows, divided by their sum."""
    values = np.maximum(np.linalg.eigvalsh(np.cov(w.astype(np.float64), rowvar=False).reshape(w.shape[1], -1)), 0)
    total = values.sum()
    return values / total if total else np.full(len(values), 1 / len(values))
