"""How like their originals reconstructions look: PSNR and SSIM."""

from collections.abc import Mapping

import numpy as np
from scipy.ndimage import gaussian_filter

from alae_core import Alae, View
from alae_workbench.data.source import DataSet
from alae_workbench.evaluation.cache import Keep
from alae_workbench.evaluation.registry import measures, reconstructed

# Of images in [−1, 1]; the constants and the window are those of Wang et al. 2004, section III.B and C.
_RANGE, _K1, _K2, _SIGMA = 2.0, 0.01, 0.03, 1.5


@measures(
    {
        "psnr": ("PSNR of reconstructions in dB, held-out images", "higher"),
        "ssim": ("SSIM of reconstructions, held-out images", "higher"),
    },
    networks="GE",
)
def likeness(
    alae: Alae, data: DataSet, view: View | None = None, most: int | None = None, keep: Keep | None = None
) -> Mapping[str, float]:
    """PSNR and SSIM of held-out images and their reconstructions, cut to [−1, 1], averaged over images; no noise."""
    parts = reconstructed(alae, data.held_out, view or alae.view, most)
    pairs = [(psnr(x, again), ssim(x, again)) for x, found in parts for again in [np.clip(found, -1, 1)]]
    each = [np.concatenate(values) for values in zip(*pairs, strict=True)]
    return {"psnr": float(each[0].mean()), "ssim": float(each[1].mean())}


def psnr(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """10 · log₁₀(2² / mean (x − y)²) of each pair of images (count, H, W, C) in [−1, 1], at most 100 dB: (count,)."""
    return 10 * np.log10(_RANGE**2 / np.maximum(np.square(x - y).mean(axis=(1, 2, 3)), _RANGE**2 * 1e-10))


def ssim(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Structural similarity of each pair of images (count, H, W, C) in [−1, 1], averaged over pixels and channels.

    By a Gaussian window of σ 1.5 pixels (Wang et al. 2004, equation 13), mirrored at the edges: (count,); 1 for equals.
    """

    def blurred(images: np.ndarray) -> np.ndarray:
        return gaussian_filter(images, (0, _SIGMA, _SIGMA, 0), truncate=3.5)

    x, y = x.astype(np.float64), y.astype(np.float64)
    mean_x, mean_y = blurred(x), blurred(y)
    variance_x, variance_y = blurred(x * x) - mean_x**2, blurred(y * y) - mean_y**2
    covariance = blurred(x * y) - mean_x * mean_y
    c1, c2 = (_K1 * _RANGE) ** 2, (_K2 * _RANGE) ** 2
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    structure = (2 * covariance + c2) / (variance_x + variance_y + c2)
    return np.asarray((luminance * structure).mean(axis=(1, 2, 3)))
