"""Similarity of reconstructions to their originals: PSNR and SSIM."""

import numpy as np
from scipy.ndimage import gaussian_filter

from alae_workbench.evaluation.subject import Subject

# For images in [−1, 1]; constants and window of Wang et al. 2004, sections III.B and C.
_RANGE, _K1, _K2, _SIGMA = 2.0, 0.01, 0.03, 1.5


def measure_similarity(subject: Subject) -> dict[str, float]:
    """Return the mean PSNR and SSIM of held-out images and their reconstructions, clipped to [−1, 1]; without noise."""
    values = []
    for x, again in subject.reconstructions():
        y = np.clip(again, -1, 1)
        values.append((psnr(x, y), ssim(x, y)))
    psnrs, ssims = (np.concatenate(batches) for batches in zip(*values, strict=True))
    return {"psnr": float(psnrs.mean()), "ssim": float(ssims.mean())}


def psnr(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return 10 · log₁₀(2² / mean (x − y)²), at most 100, of pairs of images (count, H, W, C) in [−1, 1]: (count,)."""
    return 10 * np.log10(_RANGE**2 / np.maximum(np.square(x - y).mean(axis=(1, 2, 3)), _RANGE**2 * 1e-10))


def ssim(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the structural similarity of pairs of images (count, H, W, C) in [−1, 1]: (count,); 1 for equal images.

    Equation 13 of Wang et al. 2004 with a Gaussian window of σ = 1.5 pixels, reflected at the edges, averaged over
    pixels and channels.
    """

    def blur(images: np.ndarray) -> np.ndarray:
        return gaussian_filter(images, (0, _SIGMA, _SIGMA, 0), truncate=3.5)

    x, y = x.astype(np.float64), y.astype(np.float64)
    mean_x, mean_y = blur(x), blur(y)
    variance_x, variance_y = blur(x * x) - mean_x**2, blur(y * y) - mean_y**2
    covariance = blur(x * y) - mean_x * mean_y
    c1, c2 = (_K1 * _RANGE) ** 2, (_K2 * _RANGE) ** 2
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    structure = (2 * covariance + c2) / (variance_x + variance_y + c2)
    return np.asarray((luminance * structure).mean(axis=(1, 2, 3)))
