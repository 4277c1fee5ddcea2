"""The truncation trick: styles pulled towards the mean of w."""

import numpy as np


def truncate(w: np.ndarray, mean: np.ndarray, psi: float, truncated: int, layers: int) -> np.ndarray:
    """Return styles (batch, layers, w): mean + ψ · (w − mean) in the first `truncated` layers, w in the rest.

    Karras et al. 2019, section 2.1 and appendix B.

    Args:
        w: (batch, w), or already a style for each layer, (batch, layers, w).
        mean: the running mean of w, (w,).
        psi: ψ in 0 … 1; 1 leaves every style unchanged, 0 replaces it by the mean.
        truncated: number of style layers to truncate, coarsest first.
        layers: total number of style layers.
    """
    styles = np.repeat(w[:, None], layers, axis=1) if w.ndim == 2 else w
    # Written so that ψ = 0 and ψ = 1 are exact.
    return np.where(np.arange(layers)[:, None] < truncated, psi * styles + (1 - psi) * mean, styles).astype(w.dtype)
