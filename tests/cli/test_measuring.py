"""The command line around a trained model: evaluate, compare, figure, directions, edit, invert, ablate."""

import json
import os
import subprocess
import sys
from shutil import copytree

import numpy as np
import pytest
from PIL import Image

import alae_core as alae
from alae_core.checkpoint import write_checkpoint
from alae_core.state import initial_state
from tests.cli.conftest import BACKEND
from tests.conftest import TINY, call_alae, tiny_style_config

SMALL = {key: value for key, value in TINY.items() if key.startswith("networks")} | {"training.held_out": 60}
WORDS = [word for key, value in SMALL.items() for word in ("--set", f"{key}={json.dumps(value)}")]


@pytest.fixture(scope="module")
def runs(backend, tmp_path_factory):
    """Two runs of a few steps on digits, `run` and `other`; `style`, a checkpoint of a style model; and `photos`."""
    directory = tmp_path_factory.mktemp("runs")
    for name, seed in (("run", 0), ("other", 1)):
        more = ["--set", "training.report_every=2", "--set", "training.checkpoint_every=2"]
        words = ["--steps", 4, "--seed", seed, "--out", name, "--backend", BACKEND]
        code, out, err = call_alae(directory, "train", *WORDS, *more, *words)
        assert code == 0, out + err
    config = tiny_style_config(image=[8, 8, 1])
    model = alae.build(config)
    state = initial_state(config, model.updates, model.weights(), model.mean_of_w())
    state["w_mean"] = np.ones(config.networks.w, np.float32)
    digits = {"training": {"data": "digits"}}
    write_checkpoint(
        directory / "style" / "checkpoints", state | {"step": np.array(9)}, config, author=backend, run=digits
    )
    draw = np.random.default_rng(0)
    for kind in ("left", "right"):
        (directory / "photos" / kind).mkdir(parents=True)
        for i in range(8):
            Image.fromarray(draw.integers(0, 256, (8, 8), np.uint8)).save(directory / "photos" / kind / f"{i}.png")
    (directory / "one" / "only").mkdir(parents=True)
    (directory / "empty.csv").write_text("file,smile\n")
    np.save(directory / "short.npy", np.ones(3))
    return directory


@pytest.fixture
def here(runs, tmp_path, monkeypatch):
    monkeypatch.setenv("ALAE_CACHE", str(tmp_path / "cache"))
    copytree(runs, tmp_path, dirs_exist_ok=True)
    return tmp_path


def test_evaluate_prints_writes_and_records(run_alae, here):
    code, out, err = run_alae(
        "evaluate", "run", "--measures", "similarity,nn_w", "--out", "new/e.json", "--backend", BACKEND
    )
    assert code == 0, err
    found = json.loads((here / "new" / "e.json").read_text("utf-8"))
    assert set(found["measures"]) == {"psnr", "ssim", "nn_w"}
    assert found["images"] == {"train": 1737, "held_out": 60, "samples": 1737}
    for name, value in found["measures"].items():
        assert f"{value:.4f}" in out
        assert name in out
    assert json.loads((here / "run" / "evaluations" / "step-00000004.json").read_text("utf-8")) == found
    last = json.loads((here / "run" / "metrics.jsonl").read_text("utf-8").splitlines()[-1])
    assert last == {"step": 4, "evaluation": found["measures"]}
    # Others join what is there.
    run_alae("evaluate", "run", "--measures", "rank_mapped", "--backend", BACKEND)
    joined = json.loads((here / "run" / "evaluations" / "step-00000004.json").read_text("utf-8"))["measures"]
    assert set(joined) == {"psnr", "ssim", "nn_w", "rank_mapped"}


def test_evaluate_takes_everything_and_says_what_it_cannot(run_alae, here):
    code, _, err = run_alae("evaluate", "run", "--count", "40", "--backend", BACKEND)
    assert code == 0, err
    found = json.loads((here / "run" / "evaluations" / "step-00000004-of-40.json").read_text("utf-8"))
    assert found["images"] == {"train": 1737, "held_out": 40, "samples": 40}
    assert {"fd_random64", "svm_w", "edit_round_trip", "overfitting"} <= set(found["measures"])
    assert list((here / "cache").glob("*.f32"))
    assert not (here / "run" / "evaluations" / "step-00000004.json").exists(), "a look at less is a file of its own"
    assert f"{found['measures']['psnr']:.4f}" in run_alae("compare", "run")[1]
    code, _, err = run_alae("evaluate", "style", "--measures", "probes,rank_encoded", "--backend", BACKEND)
    assert code == 0, err
    code, _, err = run_alae("evaluate", "run", "--measures", "psnr", "--data", "photos", "--backend", BACKEND)
    assert (code, "training.held_out is 60, but there are only 16" in err) == (2, True)


def test_compare_shows_runs_side_by_side_and_draws_them(run_alae, here):
    code, out, err = run_alae("compare", "run", "other")
    assert code == 0, err
    summaries = [json.loads((here / run / "summary.json").read_text("utf-8"))["measures"] for run in ("run", "other")]
    for name in summaries[0]:
        line = next(line for line in out.splitlines() if f" {name[:20]}" in line)
        assert all(f"{summary[name]:.4f}" in line for summary in summaries)


def test_measures_are_listed(run_alae):
    code, out, _ = run_alae("measures")
    assert code == 0
    assert all(word in out for word in ("probes", "fd_random64"[:8], "psnr", "↓"))


KINDS = [
    ["reconstructions", "run"],
    ["reconstructions", "run", "--images", "photos/left", "--count", "3"],
    ["reconstructions", "style", "--levels", "--count", "2"],
    ["samples", "run"],
    ["samples", "style", "--truncation", "0,1", "--count", "3"],
    ["lods", "style", "--count", "2"],
    ["neighbours", "run", "--count", "2", "--nearest", "3"],
    ["losses", "run", "other"],
    ["mix", "style", "--rows", "1", "--columns", "2"],
    ["interpolation", "run", "1", "2", "--count", "3"],
    ["interpolation", "run", "--images", "photos", "--count", "3"],
    ["traversal", "run", "1", "photos/left/0.png", "--count", "3"],
    ["traversal", "run", "--images", "digits", "--count", "3"],
]


@pytest.mark.parametrize("words", KINDS, ids=" ".join)
def test_every_kind_is_drawn_the_same_twice(run_alae, here, words):
    options = [] if words[0] == "losses" else ["--backend", BACKEND]
    for name in ("a", "b"):
        code, out, err = run_alae("figure", *words, "--out", f"new/{name}.png", *options)
        assert (code, out.partition(".png")[0]) == (0, f"new/{name}"), err
    first, second = ((here / "new" / f"{name}.png").read_bytes() for name in "ab")
    assert first == second
    picture = np.asarray(Image.open(here / "new" / "a.png").convert("L"))
    assert picture.std() > 10, "there is something to see"


@pytest.mark.parametrize("words", [["samples", "run"], ["losses", "run"]], ids=lambda words: words[0])
@pytest.mark.parametrize(("ending", "magic"), [("pdf", b"%PDF"), ("svg", b"<?xml")])
def test_figures_are_pdf_and_svg_too_the_same_twice(run_alae, here, words, ending, magic):
    options = [] if words[0] == "losses" else ["--backend", BACKEND]
    for name in ("a", "b"):
        assert run_alae("figure", *words, "--out", f"{name}.{ending}", *options)[0] == 0
    first, second = ((here / f"{name}.{ending}").read_bytes() for name in "ab")
    assert first == second
    assert first.startswith(magic)


def test_directions_are_fitted_listed_and_moved_along(run_alae, here):
    code, out, err = run_alae("directions", "fit", "run", "--labels", "photos", "--backend", BACKEND)
    assert code == 0, err
    assert "run/directions: 1 directions" in out
    assert sorted(path.name for path in (here / "run" / "directions").iterdir()) == ["directions.json", "right.npy"]
    assert run_alae("directions", "fit", "run", "--method", "principal", "--backend", BACKEND)[0] == 0
    code, out, _ = run_alae("directions", "list", "run")
    assert code == 0
    assert all(word in out for word in ("right", "principal-0", "linear SVM"))
    words = ["edit", "run", "photos/left", "--direction", "right=2.5", "--direction", "principal-0=-1"]
    code, out, err = run_alae(*words, "--out", "e.npy", "--backend", BACKEND)
    assert code == 0, err
    model = alae.load(here / "run")
    right, first = (np.load(here / "run" / "directions" / f"{name}.npy") for name in ("right", "principal-0"))
    x = np.stack([np.asarray(Image.open(here / "photos" / "left" / f"{i}.png")) for i in range(8)])[..., None]
    expected = model.generate(model.encode(x) + np.float32(2.5) * right - first)
    np.testing.assert_allclose(np.load(here / "e.npy"), expected, rtol=1e-4, atol=1e-5)
    assert run_alae(*words, "--backend", BACKEND)[:2] == (0, "edited.png\n")
    code, out, err = run_alae(
        "figure", "traversal", "run", "3", "--directions", "right,run/directions/principal-1.npy", "--backend", BACKEND
    )
    assert code == 0, err


def test_invert_compares_three_ways(run_alae, here):
    code, out, err = run_alae("invert", "run", "photos/left", "--steps", "8", "--count", "2", "--backend", BACKEND)
    assert code == 0, err
    assert all(word in out for word in ("E(x)", "mean of w", "inverted.png"))
    assert run_alae("invert", "run", "--steps", "2", "--count", "3", "--out", "w.npy", "--backend", BACKEND)[0] == 0
    assert np.load(here / "w.npy").shape == (3, SMALL["networks.w"])


MISTAKES = [
    (["evaluate", "run", "--measures", "fid"], "there is no measure 'fid'"),
    (["evaluate", "run", "--measures", "probes", "--data", "one"], "there"),
    (
        ["evaluate", "run", "--measures", "fd_random64", "--count", "4000", "--backend", BACKEND],
        "fd_random64 has no value: 4,000 samples are more than the 1,737 training images to compare with",
    ),
    (["evaluate", "run", "--out", "x.txt"], "x.txt must end in .json"),
    (["evaluate", "absent"], "no checkpoint in absent"),
    (["compare", "run", "photos"], "photos lies in no run"),
    (["compare", "style"], "style has no measures"),
    (["figure", "losses", "style"], "style has no records yet"),
    (
        ["figure", "interpolation", "run", "1", "2", "--images", "photos", "--backend", BACKEND],
        "corners is 1 2, but --images photos says what to start from: give one of them",
    ),
    (["figure", "samples", "run", "--out", "x.gif"], "x.gif must end in .png or .svg or .pdf"),
    (
        ["figure", "samples", "style", "--truncation", "0,many", "--backend", BACKEND],
        "--truncation 0,many must be numbers",
    ),
    (
        ["figure", "samples", "style", "--truncation", "2", "--backend", BACKEND],
        "--truncation is 2: it must lie in 0 … 1",
    ),
    (["figure", "lods", "run", "--backend", BACKEND], "drawing levels of detail needs a style model"),
    (["figure", "neighbours", "run", "--nearest", "5000", "--backend", BACKEND], "5000 neighbours were requested, but"),
    (["figure", "traversal", "run", "--directions", "smile", "--backend", BACKEND], "there is no direction 'smile'"),
    (
        ["figure", "traversal", "run", "--directions", "short.npy", "--backend", BACKEND],
        "short.npy has 3 numbers, but w of",
    ),
    (["directions", "fit", "run", "--method", "magic"], "--method is magic: it should be svm, principal or factorized"),
    (["directions", "fit", "run", "--labels", "photos/left", "--backend", BACKEND], "the images have no labels"),
    (["directions", "fit", "run", "--labels", "empty.csv", "--backend", BACKEND], "empty.csv"),
    (["directions", "list", "run"], "run has no directions yet"),
    (["edit", "run", "photos/left", "--direction", "smile"], "--direction smile must be NAME=AMOUNT"),
    (["edit", "run", "photos/left", "--direction", "short.npy=1", "--backend", BACKEND], "short.npy has 3 numbers"),
    (["invert", "run", "--layers", "--backend", BACKEND], "--layers is only for style models"),
    (["ablate", "reciprocty"], "there is no ablation 'reciprocty'; did you mean 'reciprocity'?"),
    (["ablate", "reciprocity", "--seeds", "0,x"], "--seeds is '0,x': 'x' is not a whole number"),
    (["ablate", "reciprocity", "--base", "digits-mpl"], "there is no preset 'digits-mpl'"),
]


@pytest.mark.parametrize(
    ("words", "message"), MISTAKES, ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_a_mistake_is_one_line_and_exit_code_2(refused, here, words, message):
    refused(words, message)


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [["evaluate", "run", "--measures", "psnr"], ["figure", "samples", "run"], ["invert", "run", "--steps", "1"]],
    ids=lambda words: words[0],
)
def test_the_backend_that_is_named_is_the_one_that_computes(here, words):
    """Nothing starts Keras on another framework before: in a process of its own, whose environment names none."""
    other = next(name for name in ("torch", "jax") if name != BACKEND)
    environment = {key: value for key, value in os.environ.items() if key != "KERAS_BACKEND"}
    for backend in (other, BACKEND):
        done = subprocess.run(
            [sys.executable, "-m", "alae_cli", *words, "--backend", backend],
            cwd=here,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
