"""`alae_workbench.latents` returns what the authors' functions return, for arrays and tensors of every framework."""

from shutil import copy

import numpy as np
import pytest

import alae_core as alae
from alae_workbench import latents
from alae_workbench.exchange.parity import OUTPUTS
from alae_workbench.exchange.replay import read_noise
from tests.conftest import random_images
from tests.helpers.official import SIZES, checkpoint_of, config_with, save
from tests.helpers.requirements import OFFICIAL, needs_official
from tests.tolerances import FLOAT32, STORED


@pytest.fixture(scope="module")
def authors_file(tmp_path_factory):
    models, *_ = checkpoint_of(config_with(*SIZES["usual"]))
    return save(models, tmp_path_factory.mktemp("artifacts") / "model_submitted.pth", True)


@pytest.fixture(scope="module")
def opened(backend, authors_file):
    return latents.load_model(authors_file)


@needs_official
def test_recorded_outputs_of_the_authors_code_are_reproduced(backend):
    opened = latents.load_model(OFFICIAL / "style32.pth", averaged=False)
    record = np.load(OFFICIAL / "style32.npz")
    w = latents.encode(opened, record["lod3/x"])
    np.testing.assert_allclose(w, record["lod3/blend1.0/E(x)"], **OUTPUTS)
    noise = read_noise(record, "lod3/blend1.0/noise", 0, 3)
    found = latents.decode(opened, w, noise=noise)
    np.testing.assert_allclose(found, record["lod3/blend1.0/G(E(x))"], **OUTPUTS)


def test_the_authors_arguments_find_their_newest_checkpoint(tmp_path, backend, authors_file, opened):
    for name in ("model_submitted.pth", "model_tmp.pth"):
        copy(authors_file, tmp_path / name)
    x = images_of(opened)
    with pytest.raises(alae.CheckpointError, match=r"has no file last_checkpoint, and 2 files that end in \.pth"):
        latents.load_model("configs/ffhq.yaml", training_artifacts_dir=tmp_path)
    (tmp_path / "model_tmp.pth").write_bytes(b"unfinished")
    (tmp_path / "last_checkpoint").write_text("training_artifacts/ffhq/model_submitted.pth")
    found = latents.load_model("configs/ffhq.yaml", training_artifacts_dir=f"{tmp_path}/")
    np.testing.assert_array_equal(latents.encode(found, x), latents.encode(opened, x))
    (tmp_path / "model_tmp.pth").unlink()
    (tmp_path / "last_checkpoint").unlink()
    assert latents.load_model("configs/ffhq.yaml", tmp_path).checkpoint.step == opened.checkpoint.step


def test_encode_and_decode_equal_the_methods_of_the_model(opened):
    x = images_of(opened)
    w = latents.encode(opened, x)
    np.testing.assert_array_equal(w, opened.model.encode(x.transpose(0, 2, 3, 1)))
    decoded = latents.decode(opened, w, noise="fixed")
    np.testing.assert_array_equal(decoded, opened.model.generate(w).transpose(0, 3, 1, 2))
    assert decoded.shape == x.shape
    assert not np.array_equal(latents.decode(opened, w), latents.decode(opened, w)), "noise is new at each call"


def test_one_image_gives_the_same_w_as_within_a_batch(opened):
    x = images_of(opened)
    np.testing.assert_allclose(latents.encode(opened, x[1:2]), latents.encode(opened, x)[1:2], **FLOAT32)


@pytest.mark.parametrize("framework", ["torch", "jax", "tensorflow"])
def test_tensors_give_tensors_of_the_same_framework(opened, framework):
    module = pytest.importorskip(framework)
    convert = {"torch": "from_numpy", "jax": "numpy.asarray", "tensorflow": "constant"}[framework]
    for part in convert.split("."):
        module = getattr(module, part)
    x = images_of(opened)
    tensor = module(x)
    w = latents.encode(opened, tensor)
    assert type(w) is type(tensor)
    np.testing.assert_allclose(np.asarray(w), latents.encode(opened, x), **STORED)
    decoded = latents.decode(opened, w, noise="fixed")
    assert type(decoded) is type(tensor)
    assert tuple(decoded.shape) == x.shape


def test_a_tensor_that_needs_gradients_is_taken(opened):
    torch = pytest.importorskip("torch")
    w = latents.encode(opened, torch.from_numpy(images_of(opened)).double().requires_grad_())
    assert (w.dtype, w.requires_grad) == (torch.float64, False)


def test_images_of_another_shape_are_refused(opened):
    x = images_of(opened)
    with pytest.raises(alae.ArgumentError, match=r"x has shape .*, but must be images \(batch, channels"):
        latents.encode(opened, x[0])
    with pytest.raises(alae.ArgumentError, match="images must have shape"):
        latents.encode(opened, x.transpose(0, 2, 3, 1))


def images_of(opened):
    images = random_images(3, opened.model.config.image)
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2))
