"""`alae evaluate`: its table, files and refusals."""

import json
import subprocess
import sys

import numpy as np
import pytest

from tests.cli.conftest import BACKEND, describe_case


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """The directory of cached features, in the test's own directory."""
    monkeypatch.setenv("ALAE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def read_evaluation(home, name="step-00000004.json"):
    return json.loads((home / "run" / "evaluations" / name).read_text("utf-8"))


def test_values_are_printed_written_and_recorded(run_alae, home):
    words = ["--measures", "similarity", "--measures", "nn_w", "--out", "new/e.json", "--backend", BACKEND]
    code, out, err = run_alae("evaluate", "run", *words)
    assert code == 0, err
    written = json.loads((home / "new" / "e.json").read_text("utf-8"))
    assert set(written["measures"]) == {"psnr", "ssim", "nn_w"}
    assert written["images"] == {"train": 1737, "held_out": 60, "samples": 1737}
    for name, value in written["measures"].items():
        assert f"{value:.4f}" in out
        assert name in out
    assert read_evaluation(home) == written
    last = json.loads((home / "run" / "metrics.jsonl").read_text("utf-8").splitlines()[-1])
    assert last.pop("time") > "2026"
    assert last == {"step": 4, "images": 512, "evaluation": written["measures"]}
    # Later measures are added to the file.
    run_alae("evaluate", "run", "--measures", "rank_mapped", "--backend", BACKEND)
    assert set(read_evaluation(home)["measures"]) == {"psnr", "ssim", "nn_w", "rank_mapped"}


def test_values_are_written_if_the_run_is_read_only(run_alae, home):
    # In place of a folder, a file that no file can be written into: permissions do not bind an administrator.
    (home / "run" / "evaluations").write_text("")
    words = ["evaluate", "run", "--measures", "psnr", "--count", "20", "--backend", BACKEND]
    code, out, err = run_alae(*words, "--out", "e.json")
    assert code == 0, err
    assert set(json.loads((home / "e.json").read_text("utf-8"))["measures"]) == {"psnr"}
    assert "the values are not recorded in the run: " in out
    code, out, _ = run_alae(*words)
    assert code == 0
    assert out.splitlines()[-1].endswith("; --out writes them to a file")


def test_all_measures_are_taken_by_default(run_alae, home, cache):
    code, _, err = run_alae("evaluate", "run", "--count", "40", "--backend", BACKEND)
    assert code == 0, err
    written = read_evaluation(home, "step-00000004-of-40.json")
    assert written["images"] == {"train": 1737, "held_out": 40, "samples": 40}
    assert {"fd_random64", "svm_w", "edit_round_trip", "overfitting"} <= set(written["measures"])
    assert list(cache.glob("features/*.f32"))
    assert not (home / "run" / "evaluations" / "step-00000004.json").exists(), "--count has its own file"
    assert f"{written['measures']['psnr']:.4f}" in run_alae("compare", "run")[1]


def test_style_models_are_measured(run_alae, home):
    code, _, err = run_alae("evaluate", "digits-style", "--measures", "probes,rank_encoded", "--backend", BACKEND)
    assert code == 0, err


def test_other_images_are_divided_like_those_of_the_run_and_all_measures_but_those_of_training_are_taken(
    run_alae, home
):
    words = ["evaluate", "run", "--data", "labelled", "--backend", BACKEND]
    code, out, err = run_alae(*words)
    assert code == 0, err
    assert "not trained on labelled: 8 images of it served as held-out images, and 8 others in place of" in out
    assert "not measured: copied_random64, overfitting: it compares training images with others" in out
    written = read_evaluation(home, "step-00000004-against-labelled.json")
    assert written["images"] == {"train": 8, "held_out": 8, "samples": 8}
    assert {"fd_random64", "nn_w"} <= set(written["measures"])
    (home / "labelled" / "left" / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n torn")
    assert run_alae(*words, "--measures", "psnr")[0] == 2
    code, out, _ = run_alae(*words, "--measures", "psnr", "--skip-bad")
    assert (code, "1 unreadable image in labelled skipped" in out) == (0, True)


def test_the_images_of_the_run_at_another_place_count_as_its_own(run_alae, home):
    from alae_workbench.data.builtin import BUILTIN

    digits = BUILTIN["digits"]().images
    np.savez(home / "moved.npz", images=digits.pixels, labels=digits.labels)
    code, out, err = run_alae(
        "evaluate", "run", "--data", "moved.npz", "--measures", "overfitting,psnr", "--backend", BACKEND
    )
    assert code == 0, err
    assert "not trained on" not in out
    assert read_evaluation(home)["images"] == {"train": 1737, "held_out": 60, "samples": 1737}


def test_the_shipped_model_is_measured_on_other_images_and_not_changed(run_alae, home):
    photos = np.random.default_rng(2).integers(0, 256, (20, 32, 32, 3), np.uint8)
    np.save(home / "photos.npy", photos)
    code, out, err = run_alae("evaluate", "--data", "photos.npy", "--measures", "psnr", "--out", "e.json")
    assert code == 0, err
    assert out.startswith("using the model that ships with alae; ")
    written = json.loads((home / "e.json").read_text("utf-8"))
    assert written["images"] == {"train": 10, "held_out": 10, "samples": 10}
    assert "the values are not recorded" in out


MISTAKES = [
    (
        ["run", "--labels", "none", "--backend", BACKEND],
        "digits offers no choice of labels, so 'none' cannot",
    ),
    (["run", "--measures", "fid"], "there is no measure 'fid'; see `alae measures`; groups: errors, "),
    (["run", "--measures", "psnr,,ssim"], "--measures is 'psnr,,ssim': a value is empty"),
    (["run", "--measures", "psnr", "--weights", "w"], "--weights is for measures with downloaded weights"),
    (["run", "--weights", "w"], "--weights is for measures with downloaded weights"),
    (["run", "--measures", "probes", "--data", "one", "--backend", BACKEND], "there"),
    (
        ["run", "--measures", "psnr", "--data", "labelled/left/0.png", "--backend", BACKEND],
        "there is only one image, but measures need at least two",
    ),
    (
        ["run", "--measures", "overfitting", "--data", "labelled", "--backend", BACKEND],
        "overfitting has no value: it compares training images with others, but the model was not trained on these",
    ),
    (["shipped", "--backend", BACKEND], "there is no data 'avatars', on which "),
    (["--backend", BACKEND], "give its place, or other images, with --data"),
    (
        ["run", "--measures", "fd_random64", "--count", "4000", "--backend", BACKEND],
        "fd_random64 has no value: 4,000 samples are more than the 1,737 training images to compare with",
    ),
    (["run", "--out", "x.txt"], "--out is x.txt; it must end in .json"),
    (["absent"], "no checkpoint in absent"),
]


@pytest.mark.parametrize(("words", "message"), MISTAKES, ids=describe_case)
def test_a_mistake_is_refused(assert_refused, home, words, message):
    assert_refused(["evaluate", *words], message)


@pytest.mark.parametrize("words", [["measures"], ["evaluate", "run", "--measures", "foo"]], ids=" ".join)
def test_the_table_of_measures_is_read_without_a_framework(tmp_path, words):
    code = (
        f"import sys; sys.argv = ['alae', *{words}]\n"
        "from alae_cli.app import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print([name for name in ('keras', 'numpy', 'jax', 'torch', 'tensorflow') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
