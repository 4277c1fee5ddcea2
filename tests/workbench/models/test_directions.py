"""Directions in w: finding known directions, saving, loading, and refusing other files."""

import numpy as np
import pytest

import alae_core as alae
from alae_workbench.data.memory import Arrays
from alae_workbench.data.source import DataError
from alae_workbench.models.directions import (
    Direction,
    compute_angles,
    find_factorized_directions,
    find_principal_directions,
    fit_label_directions,
    load_direction,
    load_directions,
    save_directions,
)
from alae_workbench.storage.directory import Run
from tests.conftest import tiny_config, tiny_style_config

RANDOM = np.random.default_rng(0)
W = 6


class FakeModel:
    """The part of an opened model that `fit_label_directions` uses, with a given w."""

    def __init__(self, w):
        self.w = w.astype(np.float32)

    def encode_images(self, source):
        yield from np.array_split(self.w, 3)


def make_images(labels, names=()):
    return Arrays(np.zeros((len(labels), 4, 4, 1), np.uint8), labels, None, names)


@pytest.fixture
def run(tmp_path):
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    return Run(tmp_path / "run")


def test_the_direction_of_an_attribute_in_w_is_found():
    """w has variance 1; images with the attribute are moved by 4 along (3, 4) / 5."""
    w, chosen = RANDOM.normal(size=(400, W)), np.arange(400) % 2
    unit = np.array([0.6, 0.8, 0, 0, 0, 0])
    w = w + 4 * chosen[:, None] * unit
    labels = make_images(np.stack([chosen, np.zeros(400, int)], 1), ("smile", "never"))
    (found,) = fit_label_directions(FakeModel(w), labels)
    assert found.name == "smile"
    assert found.vector @ unit / np.linalg.norm(found.vector) > 0.92
    assert np.linalg.norm(found.vector) == pytest.approx((w @ unit).std(), rel=0.1)
    assert found.accuracy > 0.94
    assert found.effect == pytest.approx(4, rel=0.2)
    assert found.origin == "linear SVM on 280 images"


def test_a_shift_is_the_difference_of_means_where_an_svm_avoids_variance():
    """Images with the attribute are moved by (2, 2); the first of these dimensions also varies for other reasons."""
    chosen = np.arange(4000) % 4 // 3
    w = [9, -5, 0, 0, 0, 0] + RANDOM.normal(size=(4000, W)) * [3, 0.5, 1, 1, 1, 1]
    w += chosen[:, None] * [2, 2, 0, 0, 0, 0]
    (shift,) = fit_label_directions(FakeModel(w), make_images(chosen), "shift")
    (svm,) = fit_label_directions(FakeModel(w), make_images(chosen), "svm")
    units = [found.vector / np.linalg.norm(found.vector) for found in (shift, svm)]
    assert units[0] == pytest.approx([0.707, 0.707, 0, 0, 0, 0], abs=0.1)
    assert units[1][0] < 0.2
    assert (shift.name, svm.name) == ("shift-class-1", "class-1")
    assert np.linalg.norm(shift.vector) == pytest.approx((w @ units[0]).std(), rel=0.01)
    # The means are 2√2 apart, with a variance of (9 + ¼) / 2 between them: Φ(√2 / 2.15) = 0.745.
    assert shift.accuracy == pytest.approx(0.745, abs=0.05)
    assert shift.effect == pytest.approx(2 * 2**0.5 / 2.15, abs=0.2)
    assert svm.accuracy > 0.95
    assert shift.origin == "difference of means of 2800 images"


@pytest.mark.parametrize("method", ["svm", "shift"])
def test_labels_unrelated_to_w_give_chance_accuracy(method):
    """There are so many dimensions that a direction fitted to the images it is tested on would separate them."""
    w, chosen = RANDOM.normal(size=(400, 200)), np.arange(400) % 2
    (found,) = fit_label_directions(FakeModel(w), make_images(chosen), method)
    assert found.accuracy == pytest.approx(0.5, abs=0.15)
    assert abs(found.effect) < 0.7


def test_each_class_gives_a_direction_with_its_name():
    classes = np.arange(300) % 3
    w = RANDOM.normal(size=(300, W)) + 5 * np.eye(3, W)[classes]
    found = fit_label_directions(FakeModel(w), make_images(classes, ("cat", "dog", "a fish/bird")))
    assert [each.name for each in found] == ["cat", "dog", "a-fish-bird"]
    assert all(each.accuracy > 0.9 for each in found)
    assert [int(each.vector.argmax()) for each in found] == [0, 1, 2]
    (only,) = fit_label_directions(FakeModel(w[:200]), make_images(np.arange(200) % 2))
    assert only.name == "class-1", "two classes give one direction"


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (None, "the images have no labels"),
        (np.ones(50, int), "all images have the class 1"),
        (np.arange(50), "none of the classes and two-valued attributes of these 50 images has at least 4 images with"),
        (np.arange(100).reshape(50, 2), "none of the classes and two-valued attributes"),
    ],
)
def test_unsuitable_labels_are_refused(labels, message):
    source = Arrays(np.zeros((50, 4, 4, 1), np.uint8), labels)
    with pytest.raises(DataError, match=message):
        fit_label_directions(FakeModel(RANDOM.normal(size=(50, W))), source)


def test_principal_directions_are_principal_components_of_w(backend):
    model = alae.build(tiny_config())
    w = model.map(model.sample_prior(10_000)).astype(np.float64)
    found = find_principal_directions(model, 3)
    values = np.sort(np.linalg.eigvalsh(np.cov(w, rowvar=False)))[::-1]
    lengths = [np.linalg.norm(each.vector) for each in found]
    np.testing.assert_allclose(lengths, np.sqrt(values[:3]), rtol=1e-3)
    units = np.stack([each.vector for each in found]) / np.array(lengths)[:, None]
    np.testing.assert_allclose(units @ units.T, np.eye(3), atol=1e-5)
    assert all(each.vector[np.abs(each.vector).argmax()] > 0 for each in found)
    assert f"{values[0] / values.sum():.1%}" in found[0].origin


def test_factorized_directions_are_singular_vectors_of_the_style_kernels(backend):
    model = alae.build(tiny_style_config())
    names = [f"G/block{i}/styled{k}/style/kernel" for i in (0, 1) for k in (1, 2)]
    joint = np.concatenate([model.weights()[name] for name in names], axis=1).T
    _, stretches, right = np.linalg.svd(joint.astype(np.float64))
    found = find_factorized_directions(model, 3)
    for each, expected in zip(found, right, strict=False):
        unit = each.vector / np.linalg.norm(each.vector)
        assert abs(unit @ expected) == pytest.approx(1, abs=1e-3)
        assert each.origin == "factor of G's first 4 style layers"
    assert stretches[0] >= stretches[1]
    with pytest.raises(alae.ArgumentError, match="method is factorized, which needs a style model"):
        find_factorized_directions(alae.build(tiny_config()))


def test_directions_are_loaded_as_they_were_saved(run):
    first = Direction("smile", np.arange(W, dtype=np.float32), "linear SVM on 10 images", 0.9, 2.5)
    save_directions(run, [first])
    save_directions(run, [Direction("age", np.ones(W, np.float32), "a guess")])
    age, smile = load_directions(run)
    assert (smile.name, smile.accuracy, smile.effect, smile.origin) == ("smile", 0.9, 2.5, first.origin)
    np.testing.assert_array_equal(smile.vector, first.vector)
    assert age.accuracy is None
    np.testing.assert_array_equal(load_direction("smile", W, run).vector, first.vector)
    with pytest.raises(
        alae.AlaeError, match=r"there is no direction 'smil'; did you mean 'smile'\?; the run has age, smile; a .npy"
    ):
        load_direction("smil", W, run)
    with pytest.raises(alae.ArgumentError, match=r"smile.npy has 6 numbers, but w of this model has 7"):
        load_direction("smile", 7, run)


def test_error_about_a_run_without_directions_says_how_to_find_some(run):
    with pytest.raises(alae.AlaeError, match="the run has none; `alae directions fit` finds some"):
        load_direction("smile", W, run)


@pytest.mark.parametrize("shape", [(W,), (1, W), (W, 1)])
def test_directions_of_the_authors_load(tmp_path, shape):
    np.save(tmp_path / "direction_0.npy", np.arange(W, dtype=np.float64).reshape(shape))
    found = load_direction(str(tmp_path / "direction_0.npy"), W, None)
    np.testing.assert_array_equal(found.vector, np.arange(W))
    w = RANDOM.normal(size=(3, 4, W)).astype(np.float32)
    np.testing.assert_allclose(found.move(w, -2.0), w - 2 * np.arange(W), rtol=1e-6)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\x93NUMPY\x01\x00garbage", "cannot be read"),
        (np.zeros(W), "its numbers must be finite, and not all 0"),
        (np.full(W, np.nan), "its numbers must be finite"),
        (np.array([print] * W, object), "cannot be read as an .npz of plain arrays: it holds Python objects"),
        (np.array(["a"] * W), "must hold one array of numbers, as many as w has"),
    ],
)
def test_other_files_are_refused_and_never_executed(tmp_path, content, message):
    path = tmp_path / "d.npy"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        np.save(path, content, allow_pickle=True)
    with pytest.raises(alae.AlaeError, match=message):
        load_direction(str(path), W, None)
    with pytest.raises(alae.AlaeError, match="cannot be read"):
        load_direction(str(tmp_path / "absent.npy"), W, None)


def test_error_about_damaged_records_names_the_file(run):
    save_directions(run, [Direction("smile", np.ones(W, np.float32), "a guess")])
    (run.path / "directions" / "directions.json").write_text("[1, 2]")
    with pytest.raises(alae.AlaeError, match=r"directions\.json is damaged"):
        load_directions(run)


def test_angles_between_directions():
    vectors = ([1, 0], [0, 2], [-3, 0], [1, 1])
    found = compute_angles([Direction(str(v), np.array(v, np.float32), "") for v in vectors])
    np.testing.assert_allclose(found[0], [0, 90, 180, 45], atol=1e-4)
