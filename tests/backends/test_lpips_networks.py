"""LPIPS compared with lpips 0.1.4 on PyTorch 2.13, with random weights."""

import numpy as np
import pytest
from sklearn.datasets import load_sample_image

import alae_core as alae
from alae_workbench.evaluation.cache import Cache
from alae_workbench.evaluation.pretrained import lpips_networks
from alae_workbench.evaluation.pretrained.weights import Weights
from alae_workbench.evaluation.registry import UnmeasurableError
from tests.helpers.lpips_weights import ALEX, make_checkpoint, random_weights
from tests.tolerances import PRETRAINED

#: LPIPS of two pieces of photos, and of one and its mirror image
LIBRARY = {"alex": (0.28927212953567505, 0.10522085428237915), "vgg": (0.1771049052476883, 0.07813534885644913)}


@pytest.fixture(scope="module")
def lpips_folder(tmp_path_factory):
    """A folder with random weights of LPIPS, which `lpips_networks` accepts."""
    with random_weights(tmp_path_factory.mktemp("weights")) as folder:
        yield folder


def pieces():
    crops = [load_sample_image(f"{name}.jpg")[100:132, 200:240] for name in ("china", "flower")]
    return [crop.astype(np.float32)[None] / 127.5 - 1 for crop in crops]


@pytest.mark.parametrize("trunk", ["alex", pytest.param("vgg", marks=pytest.mark.slow)])
def test_distances_equal_those_of_lpips(backend, lpips_folder, trunk):
    one, other = pieces()
    distance = lpips_networks.lpips(trunk, Cache(weights=lpips_folder), 32, 40)
    distances = distance(np.concatenate([one, one, one]), np.concatenate([other, one[:, :, ::-1], one]))
    np.testing.assert_allclose(distances, [*LIBRARY[trunk], 0], **PRETRAINED)
    grey = one[..., :1]
    np.testing.assert_allclose(distance(grey, -grey), distance(grey.repeat(3, 3), -grey.repeat(3, 3)), **PRETRAINED)


def test_images_must_be_large_enough_for_the_last_pooling(backend, lpips_folder):
    for trunk, least in (("alex", 31), ("vgg", 16)):
        distance = lpips_networks.lpips(trunk, Cache(weights=lpips_folder), least, least)
        small = np.zeros((1, least, least, 3), np.float32)
        assert distance(small, small + 0.5)[0] > 0
        with pytest.raises(
            UnmeasurableError, match=f"images are 40×{least - 1}, but LPIPS by {trunk} needs at least {least} pixels"
        ):
            lpips_networks.lpips(trunk, Cache(weights=lpips_folder), 40, least - 1)


def test_an_archive_with_other_content_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(lpips_networks, "WEIGHTS", Weights("file", "http://127.0.0.1:9", ""))
    for content in (b"not an archive", make_checkpoint("AlexNet_0", ALEX[:1], [64])):
        (tmp_path / "file").write_bytes(content)
        with pytest.raises(alae.CheckpointError, match="file does not hold weights of LPIPS"):
            lpips_networks.lpips("alex", Cache(weights=tmp_path), 40, 40)
        (tmp_path / "file").unlink()
