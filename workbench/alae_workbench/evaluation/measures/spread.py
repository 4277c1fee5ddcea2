"""How w fills its dimensions: rank and isotropy of F(z) and of E(x)."""

from collections.abc import Mapping

import numpy as np

from alae_core import Alae, View
from alae_workbench.data.source import DataSet
from alae_workbench.evaluation.cache import Keep
from alae_workbench.evaluation.registry import measures, parts_seen

#: z that F is looked at with
Z = 10_000


@measures(
    {
        "rank_encoded": ("effective rank of E(x), held-out images", ""),
        "isotropy_encoded": ("isotropy of E(x), held-out images", ""),
    },
    networks="E",
)
def encoded(
    alae: Alae, data: DataSet, view: View | None = None, most: int | None = None, keep: Keep | None = None
) -> Mapping[str, float]:
    """`rank` and `isotropy` of E(x) over held-out images."""
    source, view = data.held_out, view or alae.view
    parts = parts_seen(alae, source, view, most)
    w = np.concatenate([alae.encode(x, view, labels=labels) for x, labels in parts])
    return {"rank_encoded": rank(w), "isotropy_encoded": isotropy(w)}


@measures(
    {"rank_mapped": ("effective rank of F(z)", ""), "isotropy_mapped": ("isotropy of F(z)", "")},
    networks="F",
)
def mapped(
    alae: Alae, data: DataSet | None = None, view: View | None = None, most: int | None = None, keep: Keep | None = None
) -> Mapping[str, float]:
    """`rank` and `isotropy` of F(z) over 10,000 z that no training step draws."""
    w = alae.map(alae.sample_prior(min(most or Z, Z)))
    return {"rank_mapped": rank(w), "isotropy_mapped": isotropy(w)}


def rank(w: np.ndarray) -> float:
    """The effective rank of rows (count, w): exp of the entropy of the covariance's eigenvalues (Roy, Vetterli 2007).

    From 1, where all vary along one line, to w, where all directions vary alike.
    """
    shares = _eigenvalues(w)
    shares = shares[shares > 0]
    return float(np.exp(-np.sum(shares * np.log(shares))))


def isotropy(w: np.ndarray) -> float:
    """Geometric over arithmetic mean of the covariance's eigenvalues: 1 where all directions vary alike, 0 where one
    does not vary at all.
    """
    shares = _eigenvalues(w)
    return float(np.exp(np.mean(np.log(np.maximum(shares, 1e-30)))) * len(shares)) if shares.min() > 1e-12 else 0.0


def _eigenvalues(w: np.ndarray) -> np.ndarray:
    """Of the covariance of rows, as shares of their sum."""
    values = np.maximum(np.linalg.eigvalsh(np.cov(w.astype(np.float64), rowvar=False).reshape(w.shape[1], -1)), 0)
    total = values.sum()
    return values / total if total else np.full(len(values), 1 / len(values))
