"""The advice in error messages works: after following it, the command succeeds."""

import json
from shutil import copytree

import numpy as np
import pytest
from PIL import Image

from tests.conftest import TINY, call_alae

SETTINGS = [
    *(
        word
        for key in ("networks.F", "networks.G", "networks.E", "networks.D")
        for word in ("--set", f"{key}.hidden=[4]")
    ),
    *("--set", "training.grid_every=64"),
    *("--set", "training.held_out=2"),
]
TRAIN = ["train", "--preset", "digits-mlp", *SETTINGS]
DATA = ["--set", f"image={json.dumps(TINY['image'])}", "--steps", "1"]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A directory with a run, photos, photos of which one is damaged, arrays and a configuration."""
    home = tmp_path_factory.mktemp("home")
    for name in ("photos", "torn"):
        (home / name).mkdir()
        for number in range(6):
            Image.new("RGB", (9, 8), (40 * number, 9, 9)).save(home / name / f"{number}.png")
    (home / "torn" / "5.png").write_bytes(b"\x89PNG\r\n\x1a\n torn")
    images = np.arange(12 * 8 * 6, dtype=np.uint32).reshape(12, 8, 6).astype(np.uint8)
    np.savez(home / "images.npz", images=images, labels=np.arange(12) % 4)
    np.savez(home / "unlabelled.npz", images=images)
    code, _, err = call_alae(home, *TRAIN, "--out", "run", "--steps", "1")
    assert code == 0, err
    (home / "mine.yaml").write_bytes((home / "run" / "config.yaml").read_bytes())
    return home


SIZE = ["--set", "image=[8,6,1]", "--steps", "1"]
SMALL = ["--set", "image=[8,8,3]", "--steps", "1"]
ADVICE = {
    "one of preset, config and resume": (
        [*TRAIN, "--config", "mine.yaml", "--steps", "1"],
        "--preset, --config and --resume each choose what to train: give one of them",
        ["train", *SETTINGS, "--config", "mine.yaml", "--steps", "1"],
    ),
    "another --out for a copy of a run": (
        ["train", "--resume", "run", "--out", "photos", "--steps", "2"],
        "it has other files than those of a run; choose another --out",
        ["train", "--resume", "run", "--out", "other", "--steps", "2"],
    ),
    "resume an existing run": (
        [*TRAIN, "--out", "run", "--steps", "2"],
        "continue that run with --resume run",
        ["train", "--resume", "run", "--steps", "2"],
    ),
    "choose another directory than a run's": (
        [*TRAIN, "--out", "run", "--steps", "1"],
        "choose another --out",
        [*TRAIN, "--out", "other", "--steps", "1"],
    ),
    "choose an empty directory": (
        [*TRAIN, "--out", "photos", "--steps", "1"],
        "choose another --out",
        [*TRAIN, "--out", "other", "--steps", "1"],
    ),
    "more steps": (
        ["train", "--resume", "run"],
        "--steps is 1, but run is already at step 1: choose more steps to resume it",
        ["train", "--resume", "run", "--steps", "2"],
    ),
    "skip a damaged image": (
        [*TRAIN, "--data", "torn", *SMALL],
        "to train without them, pass skip_bad (--skip-bad)",
        [*TRAIN, "--data", "torn", *SMALL, "--skip-bad"],
    ),
    "the form of a setting": (
        [*TRAIN, "--steps", "1", "--set", "adam.learning_rate"],
        "must be KEY=VALUE, such as adam.learning_rate=1e-3",
        [*TRAIN, "--steps", "1", "--set", "adam.learning_rate=1e-3"],
    ),
    "fewer held-out images": (
        [*TRAIN, "--data", "images.npz", *SIZE, "--set", "training.held_out=12"],
        "set it lower, or to a fraction such as 0.1",
        [*TRAIN, "--data", "images.npz", *SIZE, "--set", "training.held_out=0.1"],
    ),
    "the size of the images": (
        [*TRAIN, "--data", "images.npz", "--steps", "1"],
        "set image=[8,6,1]",
        [*TRAIN, "--data", "images.npz", *SIZE],
    ),
    "more classes": (
        [*TRAIN, "--data", "images.npz", *SIZE, "--set", "labels=2"],
        "set labels=4",
        [*TRAIN, "--data", "images.npz", *SIZE, "--set", "labels=4"],
    ),
    "no labels": (
        [*TRAIN, "--data", "unlabelled.npz", *SIZE, "--set", "labels=2"],
        "set labels=0",
        [*TRAIN, "--data", "unlabelled.npz", *SIZE, "--set", "labels=0"],
    ),
    "one class": (
        [*TRAIN, "--steps", "1", "--set", "labels=1"],
        "use 0, or the number of classes",
        [*TRAIN, "--steps", "1", "--set", "labels=0"],
    ),
    "equalized layers": (
        [*TRAIN, "--steps", "1", "--set", "networks.F.lrmul=0.5"],
        "set equalized to true or lrmul to 1",
        [*TRAIN, "--steps", "1", "--set", "networks.F.lrmul=0.5", "--set", "networks.equalized=true"],
    ),
    "another name for a configuration": (
        ["new", "photos", "--out", "mine.yaml"],
        "choose another name",
        ["new", "photos", "--out", "another.yaml"],
    ),
    "a number of images": (
        ["new", "photos", "--images", "many"],
        "must be a number such as 20000, 600k",
        ["new", "photos", "--images", "600k"],
    ),
    "the ending of a picture": (
        ["generate", "run", "--out", "samples.jpg"],
        "it must end in .png or .svg or .pdf or .npy or .npz",
        ["generate", "run", "--out", "samples.png"],
    ),
    "a run with checkpoints": (
        ["generate", "photos", "--out", "samples.png"],
        "give a run of `alae train`",
        ["generate", "run", "--out", "samples.png"],
    ),
    "the list of cases": (
        ["conform", "--backend", "jax", "--case", "L1-x"],
        "`alae conform --list --profile full` names them all",
        ["conform", "--list", "--profile", "full"],
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ADVICE)
def test_the_command_succeeds_after_following_the_advice(home, tmp_path, name):
    wrong, advice, right = ADVICE[name]
    copytree(home, tmp_path, dirs_exist_ok=True)
    code, _, err = call_alae(tmp_path, *wrong)
    assert (code, advice in err) == (2, True), err
    code, _, err = call_alae(tmp_path, *right)
    assert code == 0, err


@pytest.fixture
def large(tmp_path):
    """A directory with photos of 300×300, called large."""
    (tmp_path / "large").mkdir()
    for number in range(3):
        Image.new("RGB", (300, 300), (9, 9, 40 * number)).save(tmp_path / "large" / f"{number}.png")
    return tmp_path


def test_settings_named_in_reasons_take_effect(large):
    code, out, err = call_alae(large, "new", "large")
    assert (code, "image: [64, 64, 3]" in out) == (0, True)
    assert "the largest chosen automatically (see `alae new --size`); the median shorter side is 300" in err
    assert "images are mirrored at random: set training.mirror=false" in err
    code, out, err = call_alae(large, "new", "large", "--size", "256")
    assert (code, "image: [256, 256, 3]" in out) == (0, True), err


@pytest.mark.slow
def test_a_dry_run_follows_a_setting(large):
    words = ["train", "--data", "large", "--images", "2k", "--dry-run", "--backend", "jax"]
    outputs = [call_alae(large, *words, *more)[1] for more in ((), ("--set", "training.mirror=false"))]
    assert ["mirror: true" in each for each in outputs] == [True, False]
