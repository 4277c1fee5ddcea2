"""`alae export`."""

import numpy as np
import pytest

import alae_core as alae
from tests.cli.conftest import BACKEND, describe_case
from tests.conftest import content

EXPORT = ["export", "run", "new/small", "--credit", "digits of UCI, CC BY 4.0", "--backend", BACKEND]


@pytest.fixture
def exported(run_alae, home, monkeypatch):
    """The path of an exported copy of `run`, which has directions and an evaluation."""
    monkeypatch.setenv("ALAE_CACHE", str(home / "cache"))
    for words in (["directions", "fit", "run", "--method", "principal"], ["evaluate", "run", "--measures", "psnr"]):
        assert run_alae(*words, "--backend", BACKEND)[0] == 0
    code, out, err = run_alae(*EXPORT)
    assert code == 0, err
    assert out.startswith("new/small/CARD.md: 0.")
    return home / "new" / "small"


def test_an_exported_run_has_averages_as_float16_and_a_card(exported, home):
    original, copy = alae.load_checkpoint(home / "run"), alae.load_checkpoint(exported)
    averages = {name: array for name, array in original.state.items() if name.startswith("averages/")}
    assert copy.state.keys() == {*averages, "step"}
    for name, array in averages.items():
        assert np.array_equal(copy.state[name], array.astype(np.float16)), name
    assert (copy.config, copy.step, copy.backend, copy.view) == (original.config, 4, BACKEND, original.view)
    card = (exported / "CARD.md").read_text("utf-8")
    psnr = copy.run["card"]["measures"]["psnr"]
    assert all(text in card for text in (f"| psnr | {psnr:.4f} | ↑ |", "digits of UCI, CC BY 4.0", "step 4, 0.0 min"))
    assert 0 < copy.run["card"]["minutes"] < 5
    assert content(exported / "directions") == content(home / "run" / "directions")


def test_commands_use_an_exported_run_like_any_other(run_alae, exported, home):
    for words in (["generate"], ["reconstruct"], ["encode"], ["edit", "--direction", "principal-0=2"]):
        name, *options = words
        code, _, err = run_alae(name, "new/small", *options, "--out", f"{name}.npy", "--backend", BACKEND)
        assert code == 0, err
    assert run_alae("reconstruct", "run", "--out", "full.npy", "--backend", BACKEND)[0] == 0
    few, full = np.load("reconstruct.npy"), np.load("full.npy")
    np.testing.assert_allclose(few, full[: len(few)], rtol=0, atol=2e-2)
    assert len(few) == 48


def test_commands_open_a_zip_like_the_exported_run(run_alae, exported, home):
    zipped = ["new/small.zip" if word == "new/small" else word for word in EXPORT]
    code, out, err = run_alae(*zipped)
    assert code == 0, err
    assert out.startswith("new/small.zip: 0.")
    (home / "elsewhere").mkdir()
    (home / "new" / "small.zip").rename(home / "elsewhere" / "small.zip")
    before = content(home)
    for words in (["generate"], ["reconstruct"], ["encode"], ["edit", "--direction", "principal-0=2"]):
        name, *options = words
        for model, file in (("new/small", "dir.npy"), ("elsewhere/small.zip", "zip.npy")):
            code, _, err = run_alae(name, model, *options, "--out", file, "--backend", BACKEND)
            assert code == 0, err
        assert np.array_equal(np.load("dir.npy"), np.load("zip.npy")), name
    for words in (
        ["figure", "traversal", "elsewhere/small.zip", "0", "--out", "dir.npy.png", "--backend", BACKEND],
        ["directions", "list", "elsewhere/small.zip"],
        ["compare", "elsewhere/small.zip", "run"],
        ["evaluate", "elsewhere/small.zip", "--measures", "psnr", "--data", "digits", "--backend", BACKEND],
    ):
        code, out, err = run_alae(*words)
        assert code == 0, err
    assert "the values are not recorded" in out
    changed = {name for name, bytes_ in content(home).items() if before.get(name) != bytes_}
    assert not {name for name in changed if not name.startswith(("dir.npy", "zip.npy", "cache"))}


@pytest.mark.usefixtures("exported")
def test_a_zip_cannot_be_changed_or_trained(run_alae):
    run_alae(*EXPORT[:2], "small.zip", *EXPORT[3:])
    for words, message in (
        (["directions", "fit", "small.zip", "--method", "principal"], "directions cannot be saved in"),
        (["train", "--resume", "small.zip"], "was exported and has only averaged networks"),
        ([*EXPORT[:2], "small.zip", *EXPORT[3:]], "small.zip exists already"),
    ):
        code, _, err = run_alae(*words)
        assert code == 2
        assert message in err


def test_an_exported_run_has_no_networks_as_trained_and_does_not_resume(run_alae, exported):
    before = content(exported)
    for words in (
        ["generate", "new/small", "--raw", "--backend", BACKEND],
        ["train", "--resume", "new/small"],
        ["train", "--resume", "auto", "--out", "new/small"],
    ):
        code, _, err = run_alae(*words)
        assert code == 2
        assert "was exported and has only averaged networks" in err
    assert content(exported) == before, "a lock was left behind"


def test_a_directory_is_not_overwritten(assert_refused, exported):
    assert_refused(EXPORT, "new/small exists already")


def test_the_path_of_the_training_images_is_not_exported(run_alae, home, monkeypatch):
    monkeypatch.setenv("ALAE_CACHE", str(home / "cache"))
    np.savez(home / "digits.npz", images=np.random.default_rng(0).integers(0, 256, (90, 8, 8), np.uint8))
    run_alae("train", "--resume", "run", "--other-data", "--steps", 6, "--set", f"training.data={home}/digits.npz")
    assert run_alae("evaluate", "run", "--measures", "psnr", "--backend", BACKEND)[0] == 0
    assert run_alae(*EXPORT)[0] == 0
    small = content(home / "new" / "small")
    assert b"data: digits.npz" in small["config.yaml"]
    assert not any(str(home).encode() in text for text in small.values())


MISTAKES = [
    (EXPORT, "has not been measured: `alae evaluate run/checkpoints/step-00000004` does it"),
    (["export", "mlp", "out", "--credit", "x", "--backend", BACKEND], "has not been measured"),
    (["export", "run", "out"], "--credit is missing: give the source and licence of the training images"),
    ([*EXPORT, "--functions", "G"], "--functions is not for the format run, which is a copy of the run"),
    ([*EXPORT, "--noise", "none"], "--noise is not for the format run"),
    ([*EXPORT, "--format", "onnx"], "--backend is not for the format onnx, which has a backend of its own"),
    ([*EXPORT, "--runtime", "x"], "--runtime is for the format web, not for run"),
    (["export", "run", "out", "--format", "web", "--functions", "G"], "--functions is not for the format web"),
    (["export", "run", "out", "--format", "web", "--noise", "input"], "--noise is input, but the page has no noise"),
    (["export", "absent", "out", "--format", "onnx"], "there is no checkpoint in absent"),
    (["generate", "absent.zip"], "there is no checkpoint in absent.zip, which is not a folder"),
    (["reconstruct", "torn.png"], "no checkpoint in torn.png, which is not a folder: give a run of `alae train`, one"),
]


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(("words", "message"), MISTAKES, ids=describe_case)
def test_a_mistake_gives_one_line_and_exit_code_2(assert_refused, words, message):
    assert_refused(words, message)
