"""PSNR and SSIM against their formulas."""

import numpy as np

from alae_core.images import to_float
from alae_workbench.evaluation.measures.similarity import measure_similarity, psnr, ssim
from alae_workbench.evaluation.subject import Subject
from tests.helpers.images import make_data
from tests.tolerances import FLOAT32

RANDOM = np.random.default_rng(0)


def test_psnr_and_ssim_in_closed_form():
    """A constant error of 0.2 is 20 dB; constant images differ in luminance only."""
    x = np.zeros((2, 6, 5, 1))
    np.testing.assert_allclose(psnr(x, x + 0.2), [20, 20])
    assert psnr(x, x)[0] == 100
    np.testing.assert_allclose(ssim(x + 0.5, x + 0.5), 1)
    c1 = 0.02**2
    np.testing.assert_allclose(ssim(x + 0.5, x - 0.25), (2 * -0.125 + c1) / (0.25 + 0.0625 + c1), rtol=1e-9)
    board = (np.indices((16, 16)).sum(0) % 2 * 2.0 - 1)[None, ..., None]
    assert ssim(board, -board)[0] < -0.8
    noise = RANDOM.normal(size=(1, 16, 16, 1))
    assert ssim(noise, noise + 0.1 * RANDOM.normal(size=noise.shape))[0] > 0.9


def test_similarity_compares_held_out_images_with_their_reconstructions(model):
    x = to_float(make_data().held_out.images(np.arange(17)))
    again = np.clip(model.reconstruct(x), -1, 1)
    values = measure_similarity(Subject(model, make_data()))
    expected = np.mean(10 * np.log10(4 / np.square(x - again).mean((1, 2, 3))))
    np.testing.assert_allclose(values["psnr"], expected, **FLOAT32)
    np.testing.assert_allclose(values["ssim"], ssim(x, again).mean(), **FLOAT32)
