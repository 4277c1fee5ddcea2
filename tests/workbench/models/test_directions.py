"""Directions in w: finding known directions, saving, loading, and refusing other files."""

import numpy as np
import pytest

import alae_core as alae
from alae_workbench.models.directions import (
    Direction,
    compute_angles,
    find_factorized_directions,
    find_principal_directions,
    load_direction,
    load_directions,
    save_directions,
)
from alae_workbench.storage.directory import Run
from tests.conftest import tiny_config, tiny_style_config

RANDOM = np.random.default_rng(0)
W = 6


@pytest.fixture
def run(tmp_path):
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    return Run(tmp_path / "run")


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
