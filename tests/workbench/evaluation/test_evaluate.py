"""Measures that are taken when asked for: their formulas, what is kept of them, what is said where there is none."""

import json
from math import log

import numpy as np
import pytest
from sklearn.svm import LinearSVC

import alae_core as alae
from alae_core import View
from alae_core.images import to_float, to_uint8
from alae_workbench.data.memory import Arrays
from alae_workbench.data.source import DataSet
from alae_workbench.evaluation.cache import Keep
from alae_workbench.evaluation.distances import density_coverage, frechet
from alae_workbench.evaluation.measures.consistency import editing
from alae_workbench.evaluation.measures.loop_error import reciprocity_errors
from alae_workbench.evaluation.measures.probes import REPRESENTATIONS, probe
from alae_workbench.evaluation.measures.similarity import likeness, psnr, ssim
from alae_workbench.evaluation.measures.spread import encoded, isotropy, rank
from alae_workbench.evaluation.registry import MEASURES, UnmeasurableError, answers, named
from alae_workbench.evaluation.spaces import Random64
from alae_workbench.models.sampling import sample
from tests.conftest import tiny_config, tiny_style_config
from tests.tolerances import FLOAT32, STYLE

RANDOM = np.random.default_rng(0)
PIXELS = RANDOM.integers(0, 256, (40, 4, 3, 2), np.uint8)
CLASSES = np.arange(40) % 3


def data(labels=CLASSES, count=40):
    images = Arrays(PIXELS[:count], None if labels is None else labels[:count])
    return DataSet(images, Arrays(PIXELS[::-1][:17].copy(), None if labels is None else labels[::-1][:17].copy()))


@pytest.fixture
def model(backend):
    return alae.build(tiny_config(seed=1))


# ---- formulas --------------------------------------------------------------------------------------------------------


def test_psnr_and_ssim_in_closed_form():
    """A constant error of 0.2 is 20 dB; flat images differ by their luminance alone."""
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


def test_likeness_is_of_held_out_images_and_their_reconstructions(model):
    x = to_float(data().held_out.images(np.arange(17)))
    again = np.clip(model.reconstruct(x), -1, 1)
    found = likeness(model, data())
    np.testing.assert_allclose(
        found["psnr"], np.mean(10 * np.log10(4 / np.square(x - again).mean((1, 2, 3)))), **FLOAT32
    )
    np.testing.assert_allclose(found["ssim"], ssim(x, again).mean(), **FLOAT32)


def test_rank_and_isotropy_in_closed_form():
    """Eigenvalues 1, 1: rank 2, isotropy 1; 3 and 1: rank exp of the entropy of ¾ and ¼, isotropy √3 / 2."""
    round_ = np.array([[1, 0], [-1, 0], [0, 1], [0, -1]], np.float32)
    assert rank(round_) == pytest.approx(2)
    assert isotropy(round_) == pytest.approx(1)
    long = round_ * np.sqrt([3, 1])
    assert rank(long) == pytest.approx(np.exp(-(0.75 * log(0.75) + 0.25 * log(0.25))))
    assert isotropy(long) == pytest.approx(np.sqrt(3) / 2)
    assert rank(round_ * [1, 0]) == pytest.approx(1)
    assert isotropy(round_ * [1, 0]) == 0


def test_rank_is_of_what_e_answers(model):
    w = model.encode(data().held_out.images(np.arange(17)))
    assert encoded(model, data())["rank_encoded"] == pytest.approx(rank(w), rel=1e-4)


def test_reciprocity_of_each_dimension_and_of_images(model):
    w = model.map(model.sample_prior(8))
    again = model.reencode(w)
    each = np.square(w - again).mean(0) / w.var(0)
    images = np.square(model.generate(w) - model.generate(again)).mean()
    found = reciprocity_errors(model, most=8)
    expected = [np.median(each), each.max(), images]
    np.testing.assert_allclose(list(found.values()), expected, **FLOAT32)


def test_a_round_trip_is_undone_by_an_edit_that_is_undone(model):
    """By hand; and where G∘E closes the loop exactly, both errors are 0."""
    x = data().held_out.images(np.arange(17))
    w = model.encode(x).astype(np.float64)
    found = editing(model, data())
    total = w.var(0).sum()
    np.testing.assert_allclose(
        found["round_trip"], np.square(w - model.reencode(w.astype(np.float32))).sum(1).mean() / total, **FLOAT32
    )
    values, vectors = np.linalg.eigh(np.cov(w, rowvar=False))
    errors = []
    for k in (-1, -2, -3):
        for sign in (1, -1):
            move = sign * 2 * np.sqrt(values[k]) * vectors[:, k]
            errors.append(np.square(w - (model.reencode((w + move).astype(np.float32)) - move)).sum(1).mean() / total)
    np.testing.assert_allclose(found["edit_round_trip"], np.mean(errors), rtol=1e-3)
    model.reencode = lambda w, *args, **choices: w
    assert editing(model, data()) == pytest.approx({"round_trip": 0, "edit_round_trip": 0}, abs=1e-9)


def test_an_edit_cannot_be_read_back_from_an_estimate_of_z(backend):
    model = alae.build(tiny_config(reciprocity="z", networks__z=6, networks__w=6))
    with pytest.raises(UnmeasurableError, match="E estimates z here"):
        editing(model, data())


def test_probes_are_of_all_training_images(model):
    """Each recomputed by hand; as pixels repeat those of training, a neighbour in pixels is always right."""
    found = {f"{kind}_{each}": probe(kind, each, model, data()) for kind in ("nn", "svm") for each in REPRESENTATIONS}
    assert answers(model, data(), None, named(["probes"])).items() >= found.items()
    assert found["nn_pixels"] == found["nn_pca"] == 1
    train, asked = (model.encode(source.images(np.arange(len(source)))) for source in (data().train, data().held_out))
    nearest = np.square(asked[:, None] - train[None]).sum(2).argmin(1)
    right = data().held_out.labels
    assert found["nn_w"] == pytest.approx((CLASSES[nearest] == right).mean())
    mean, deviation = train.mean(0), train.std(0)
    machine = LinearSVC(dual=False, C=1.0, random_state=0).fit((train - mean) / deviation, CLASSES)
    assert found["svm_w"] == pytest.approx(machine.score((asked - mean) / deviation, right), abs=1 / 17)


@pytest.mark.parametrize("family", ["mlp", "plain", "style"])
def test_long_features_are_what_w_is_a_map_of(backend, family):
    """An affine one, for style networks and plain encoders; for perceptrons the widest layer."""
    if family == "mlp":
        model = alae.build(tiny_config())
        assert model.hidden(PIXELS).shape == (40, max(model.config.networks.E.hidden))
        return
    model = alae.build(tiny_style_config(networks__encoder=family))
    x = RANDOM.uniform(-1, 1, (60, 8, 8, 2)).astype(np.float32)
    hidden, w = model.hidden(x), model.encode(x)
    columns = np.hstack([hidden, np.ones((60, 1), np.float32)]).astype(np.float64)
    map_, *_ = np.linalg.lstsq(columns, w, rcond=None)
    np.testing.assert_allclose(columns @ map_, w, rtol=1e-2, atol=1e-2 * w.std())
    # While a level fades in, too.
    assert model.hidden(x, View(1, 0.5)).shape == hidden.shape


def test_without_a_hidden_layer_there_are_no_long_features(backend):
    model, refused = alae.build(tiny_config(networks__E__hidden=[])), {}
    assert answers(model, data(), None, ["nn_long"], refused=refused) == {}
    assert refused == {"nn_long": "E has no hidden layer: networks.E.hidden is []"}


def test_samples_are_compared_as_bytes_with_as_many_training_images(model):
    found = answers(model, data(), None, ["fd_random64", "coverage_random64"])
    space = Random64().opened(Keep())
    real, other = space(PIXELS), space(to_uint8(sample(model, 40)))
    np.testing.assert_allclose(found["fd_random64"], frechet(real, other), **STYLE)
    assert found["coverage_random64"] == density_coverage(real, other)[1]
    some = answers(model, data(), None, ["fd_random64"], most=20)
    np.testing.assert_allclose(some["fd_random64"], frechet(real[:20], space(to_uint8(sample(model, 20)))), **STYLE)


def test_reconstructions_are_compared_with_their_originals(model):
    x, space = data().held_out.images(np.arange(17)), Random64().opened(Keep())
    expected = frechet(space(x), space(to_uint8(model.reconstruct(x))))
    found = answers(model, data(), None, ["fd_random64_reconstructions"])
    np.testing.assert_allclose(found["fd_random64_reconstructions"], expected, **STYLE)


# ---- the table -------------------------------------------------------------------------------------------------------


def test_measures_are_named_by_themselves_or_by_group():
    assert named(["psnr"]) == ["psnr"]
    assert named(["similarity", "psnr"]) == ["psnr", "ssim"]
    assert {MEASURES[name].group for name in named(["probes"])} == {"probes"}
    with pytest.raises(
        alae.AlaeError, match=r"no measure 'psnt'; did you mean 'psnr'\?; groups: .*spread.*; measures: "
    ):
        named(["psnt"])


def test_one_look_answers_all_that_are_asked_of_it(model, monkeypatch):
    looks = []
    monkeypatch.setattr(type(model), "reconstruct", lambda self, x, *a, **k: looks.append(len(x)) or np.asarray(x) * 0)
    answers(model, data(), None, ["psnr", "ssim"])
    assert looks == [17]


def test_what_has_no_answer_is_said_why(backend):
    model, refused = alae.build(tiny_config(algorithm="autoencoder")), {}
    found = answers(model, data(None), None, ["nn_w", "rank_mapped", "psnr"], refused=refused)
    assert set(found) == {"psnr"}
    assert refused == {
        "nn_w": "the images have no labels: class folders, a table or an .npz with y give them some",
        "rank_mapped": "the algorithm autoencoder has no network F",
    }


@pytest.mark.parametrize(
    ("labels", "reason"),
    [(np.ones(40, int), "every training image is of one class, 1"), (np.zeros((40, 2), int), "several attributes")],
)
def test_labels_that_tell_nothing_are_refused(model, labels, reason):
    with pytest.raises(UnmeasurableError, match=reason):
        probe("nn", "w", model, data(labels))


def test_too_few_images_are_refused(model):
    with pytest.raises(UnmeasurableError, match="there are 4 training images to compare with, and it takes 6"):
        MEASURES["fd_random64"].function(model, data(count=4), None, None, Keep())


# ---- what is kept ----------------------------------------------------------------------------------------------------


def parts(calls, fail_at=None):
    def rows(start):
        for first in range(start // 4 * 4, 10, 4):
            if first == fail_at:
                raise KeyboardInterrupt
            calls.append(first)
            yield first, np.arange(first, min(first + 4, 10), dtype=np.float32)[:, None] * [1, 10]

    return rows


EXPECTED = np.arange(10, dtype=np.float32)[:, None] * [1, 10]


def test_rows_are_computed_once(tmp_path):
    keep, calls = Keep(tmp_path / "there" / "not yet"), []
    for _ in range(2):
        np.testing.assert_array_equal(keep.rows("rows", {"of": "a"}, 10, 2, parts(calls)), EXPECTED)
    assert calls == [0, 4, 8]
    keep.rows("rows", {"of": "b"}, 10, 2, parts(calls))
    assert calls == [0, 4, 8, 0, 4, 8]


def test_rows_that_were_interrupted_go_on(tmp_path):
    keep, calls = Keep(tmp_path), []
    with pytest.raises(KeyboardInterrupt):
        keep.rows("rows", {}, 10, 2, parts(calls, fail_at=8))
    (growing,) = tmp_path.glob("*/rows.part")
    # A kill in the middle of a row.
    growing.write_bytes(growing.read_bytes()[: 4 * 2 * 6 + 3])
    told = []

    class Tell:
        def __init__(self, total, what):
            assert (total, what) == (10, "rows")

        def __enter__(self):
            return told.append

        def __exit__(self, *error):
            pass

    found = Keep(tmp_path, Tell).rows("rows", {}, 10, 2, parts(calls))
    np.testing.assert_array_equal(found, EXPECTED)
    assert calls == [0, 4, 4, 8]
    assert sum(told) == 10
    assert [path.suffix for path in tmp_path.iterdir()] == [".f32"]


def test_two_processes_that_compute_the_same_do_not_mix(tmp_path):
    keep, calls = Keep(tmp_path), []
    inner = []

    def meanwhile(start):
        for first, part in parts(calls)(start):
            if first == 4:
                inner.append(keep.rows("rows", {}, 10, 2, parts([])))
            yield first, part

    np.testing.assert_array_equal(keep.rows("rows", {}, 10, 2, meanwhile), EXPECTED)
    np.testing.assert_array_equal(inner[0], EXPECTED)
    np.testing.assert_array_equal(keep.rows("rows", {}, 10, 2, parts([])), EXPECTED)
    assert calls == [0, 4, 8]


def test_without_a_place_nothing_is_kept(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    calls = []
    for _ in range(2):
        np.testing.assert_array_equal(Keep().rows("rows", {}, 10, 2, parts(calls)), EXPECTED)
    assert calls == [0, 4, 8, 0, 4, 8]
    assert not list(tmp_path.iterdir())


def test_other_weights_have_features_of_their_own(model, tmp_path):
    keep = Keep(tmp_path)
    first = answers(model, data(), None, ["fd_random64"], keep=keep)
    assert len(list(tmp_path.iterdir())) == 3, "training images, held-out ones, samples"
    assert answers(model, data(), None, ["fd_random64"], keep=keep) == first
    weights = model.weights()
    model.set_weights({name: 1.5 * array for name, array in weights.items()})
    assert answers(model, data(), None, ["fd_random64"], keep=keep) != first
    assert len(list(tmp_path.iterdir())) == 4


def test_a_record_is_json(model):
    found = answers(model, data(), None, [name for name, each in MEASURES.items() if each.when != "named"])
    assert json.loads(json.dumps(found)) == found
    assert all(np.isfinite(value) for value in found.values())
