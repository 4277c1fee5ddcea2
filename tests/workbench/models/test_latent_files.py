"""Latents in files: which arrays are latents, and the images that they stand for."""

import numpy as np
import pytest

import alae_core as alae
from alae_core import AlaeError
from alae_core.images import to_uint8
from alae_workbench.data.derived import take_first
from alae_workbench.data.labels import describe_labels
from alae_workbench.data.memory import Arrays
from alae_workbench.data.source import UNLABELLED, DataError, read_all
from alae_workbench.models.latent_files import LatentImages, get_latents, open_latents, read_latents, write_latents
from tests.conftest import tiny_config, tiny_style_config

MLP, STYLE = tiny_config(), tiny_style_config()
RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("config", "shape", "expected"),
    [
        (MLP, (3, 7), (3, 7)),
        (MLP, (7,), (1, 7)),
        (STYLE, (3, 7), (3, 7)),
        (STYLE, (2, 4, 7), (2, 4, 7)),
        # Images: of the wrong kind for latents.
        (MLP, (2, 4, 7), None),
        (STYLE, (2, 8, 8), None),
        (STYLE, (2, 8, 8, 2), None),
    ],
    ids=str,
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floats_of_the_shape_of_w_are_latents(tmp_path, config, shape, expected, dtype):
    w = RANDOM.normal(size=shape).astype(dtype)
    np.save(tmp_path / "w.npy", w)
    np.savez(tmp_path / "one.npz", anything=w)
    for name in ("w.npy", "one.npz"):
        found = read_latents(tmp_path / name, config)
        assert (found is None) == (expected is None)
        if expected:
            assert (found.shape, found.dtype) == (expected, np.float32)
            np.testing.assert_array_equal(found.ravel(), w.astype(np.float32).ravel())


def test_an_array_named_w_is_taken_from_among_others(tmp_path):
    w = RANDOM.normal(size=(1, 4, 7))
    np.savez(tmp_path / "projected_w.npz", noise=np.zeros(5), w=w)
    np.testing.assert_array_equal(read_latents(tmp_path / "projected_w.npz", STYLE), w.astype(np.float32))
    np.savez(tmp_path / "two.npz", a=w[0], b=w[0])
    assert read_latents(tmp_path / "two.npz", STYLE) is None
    assert read_latents(tmp_path / "absent.npy", STYLE) is None
    np.save(tmp_path / "bytes.npy", np.zeros((2, 7), np.uint8))
    assert read_latents(tmp_path / "bytes.npy", MLP) is None


def test_latents_of_another_model_are_refused(tmp_path):
    np.save(tmp_path / "w.npy", np.zeros((3, 8), np.float32))
    with pytest.raises(DataError, match=r"shape \(3, 8\); those of this model have the shape \(count, 7\)$"):
        read_latents(tmp_path / "w.npy", MLP)
    np.savez(tmp_path / "w.npz", w=np.zeros((1, 18, 7)))
    with pytest.raises(DataError, match=r"\(1, 18, 7\); those of this model have .* \(count, 7\) or \(count, 4, 7\)$"):
        read_latents(tmp_path / "w.npz", STYLE)
    np.save(tmp_path / "nan.npy", np.full(7, np.nan))
    with pytest.raises(DataError, match=r"nan.npy has numbers that are not finite"):
        read_latents(tmp_path / "nan.npy", MLP)
    np.save(tmp_path / "w.npy", np.zeros((3, 7), np.float32))
    with pytest.raises(AlaeError, match="do not determine images of a model with labels"):
        read_latents(tmp_path / "w.npy", tiny_config(labels=3))


def test_latents_stand_for_their_images(backend):
    model = alae.build(STYLE)
    w = RANDOM.normal(size=(5, 7)).astype(np.float32)
    source = LatentImages(model, w)
    assert (len(source), source.shape, source.labels) == (5, (8, 8, 2), None)
    assert np.array_equal(read_all(source), to_uint8(model.generate(w)))
    assert source.images(np.array([3]), 4).shape == (1, 4, 4, 2)
    assert get_latents(source) is w
    assert np.array_equal(get_latents(take_first(source, 2)), w[:2])
    assert source.fingerprint != LatentImages(model, w + 1).fingerprint


class FakeModel:
    config = MLP


@pytest.mark.parametrize(
    ("labels", "names", "stored"),
    [
        (np.array([0, 2, UNLABELLED]), ("cat", "dog", "fish"), {"labels", "class_names"}),
        (np.array([[0.5, 1], [np.nan, np.nan], [2, 0]]), ("age", "smile"), {"attributes", "attribute_names"}),
        (np.array([4, 4, 1]), (), {"labels"}),
        (None, (), set()),
    ],
    ids=["classes", "attributes", "numbers", "none"],
)
def test_latents_are_written_with_names_and_labels_and_read_again(tmp_path, labels, names, stored):
    w = RANDOM.normal(size=(3, 7)).astype(np.float32)
    images = Arrays(np.zeros((3, 4, 3, 2), np.uint8), labels, ("a/ä.png", "b.png", "c.png"), names)
    assert write_latents(tmp_path / "w.npz", iter([w[:2], w[2:]]), images) == (3, 7)
    with np.load(tmp_path / "w.npz") as file:
        assert set(file) == {"w", "names", *stored}
        assert file["names"].tolist() == ["a/ä.png", "b.png", "c.png"]
    np.testing.assert_array_equal(read_latents(tmp_path / "w.npz", MLP), w)
    found = open_latents(tmp_path / "w.npz", FakeModel)
    np.testing.assert_array_equal(found.w, w)
    np.testing.assert_array_equal(found.labels, labels)
    assert found.label_names == names
    assert describe_labels(found).endswith(" from w.npz") == (labels is not None)


def test_labels_of_latents_that_cannot_be_used_are_refused(tmp_path):
    w = np.zeros((3, 7), np.float32)
    np.savez(tmp_path / "w.npz", w=w, labels=np.zeros(2, int))
    with pytest.raises(DataError, match=r"w.npz has 3 latents, but 2 labels"):
        open_latents(tmp_path / "w.npz", FakeModel)
    np.savez(tmp_path / "w.npz", w=w, labels=np.array(["a", "b", "c"]))
    with pytest.raises(DataError, match=r"w.npz: labels must be class numbers"):
        open_latents(tmp_path / "w.npz", FakeModel)
    with pytest.raises(alae.ArgumentError, match=r"labels is folders, but .*w.npz holds latents"):
        open_latents(tmp_path / "w.npz", FakeModel, "folders")
