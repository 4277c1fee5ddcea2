"""The command line around a trained model: evaluate, compare, figure, directions, edit, invert, ablate."""

import json
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


MISTAKES = [
    (["evaluate", "run", "--measures", "fid"], "there is no measure 'fid'"),
    (["evaluate", "run", "--measures", "probes", "--data", "one"], "there"),
    (
        ["evaluate", "run", "--measures", "fd_random64", "--count", "4000", "--backend", BACKEND],
        "fd_random64 has no value: 4,000 samples are more than the 1,737 training images to compare with",
    ),
    (["evaluate", "run", "--out", "x.txt"], "x.txt must end in .json"),
    (["evaluate", "absent"], "no checkpoint in absent"),
    (["compare", "run", "photos"], "photos is not inside a run directory"),
    (["compare", "style"], "style has no measures"),
    (["ablate", "reciprocty"], "there is no ablation 'reciprocty'; did you mean 'reciprocity'?"),
    (["ablate", "reciprocity", "--seeds", "0,x"], "--seeds is '0,x': 'x' is not a whole number"),
    (["ablate", "reciprocity", "--base", "digits-mpl"], "there is no preset 'digits-mpl'"),
]


@pytest.mark.parametrize(
    ("words", "message"), MISTAKES, ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_a_mistake_is_one_line_and_exit_code_2(refused, here, words, message):
    refused(words, message)
