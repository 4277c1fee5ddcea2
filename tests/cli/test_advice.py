"""What a message advises is done: after the advice is followed, the same command works."""

import json
from shutil import copytree

import numpy as np
import pytest
from PIL import Image

from tests.conftest import TINY, call_alae

TRAIN = [
    "train",
    *(
        word
        for key in ("networks.F", "networks.G", "networks.E", "networks.D")
        for word in ("--set", f"{key}.hidden=[4]")
    ),
    *("--set", "training.grid_every=64"),
    *("--set", "training.held_out=2"),
]
DATA = ["--set", f"image={json.dumps(TINY['image'])}", "--steps", "1"]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A directory with what people have in theirs: a run, photos of which one is torn, arrays, a configuration."""
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
    "one of three": (
        [*TRAIN, "--preset", "digits-mlp", "--config", "mine.yaml", "--steps", "1"],
        "--preset, --config and --resume each choose what to train: give one of them",
        [*TRAIN, "--config", "mine.yaml", "--steps", "1"],
    ),
    "out of a resumed run": (
        ["train", "--resume", "run", "--out", "other", "--steps", "2"],
        "omit --out",
        ["train", "--resume", "run", "--steps", "2"],
    ),
    "a run is there": (
        [*TRAIN, "--out", "run", "--steps", "2"],
        "continue that run with --resume run",
        ["train", "--resume", "run", "--steps", "2"],
    ),
    "a run is there, another place": (
        [*TRAIN, "--out", "run", "--steps", "1"],
        "choose another --out",
        [*TRAIN, "--out", "other", "--steps", "1"],
    ),
    "photos are there": (
        [*TRAIN, "--out", "photos", "--steps", "1"],
        "choose another --out",
        [*TRAIN, "--out", "other", "--steps", "1"],
    ),
    "at its end": (
        ["train", "--resume", "run"],
        "--steps is 1, but run is already at step 1: choose more steps to resume it",
        ["train", "--resume", "run", "--steps", "2"],
    ),
    "a torn image": (
        [*TRAIN, "--data", "torn", "--preset", "digits-mlp", *SMALL],
        "training can go on without them: skip_bad (--skip-bad)",
        [*TRAIN, "--data", "torn", "--preset", "digits-mlp", *SMALL, "--skip-bad"],
    ),
    "a setting's form": (
        [*TRAIN, "--steps", "1", "--set", "adam.learning_rate"],
        "must be KEY=VALUE, such as adam.learning_rate=1e-3",
        [*TRAIN, "--steps", "1", "--set", "adam.learning_rate=1e-3"],
    ),
    "too many held out": (
        [*TRAIN, "--preset", "digits-mlp", "--data", "images.npz", *SIZE, "--set", "training.held_out=12"],
        "set it lower, or to a fraction such as 0.1",
        [*TRAIN, "--preset", "digits-mlp", "--data", "images.npz", *SIZE, "--set", "training.held_out=0.1"],
    ),
    "another size": (
        [*TRAIN, "--preset", "digits-mlp", "--data", "images.npz", "--steps", "1"],
        "set image=[8,6,1]",
        [*TRAIN, "--preset", "digits-mlp", "--data", "images.npz", *SIZE],
    ),
    "too few classes": (
        [*TRAIN, "--preset", "digits-mlp", "--data", "images.npz", *SIZE, "--set", "labels=2"],
        "set labels=4",
        [*TRAIN, "--preset", "digits-mlp", "--data", "images.npz", *SIZE, "--set", "labels=4"],
    ),
    "no labels": (
        [*TRAIN, "--preset", "digits-mlp", "--data", "unlabelled.npz", *SIZE, "--set", "labels=2"],
        "set labels=0",
        [*TRAIN, "--preset", "digits-mlp", "--data", "unlabelled.npz", *SIZE, "--set", "labels=0"],
    ),
    "one class": (
        [*TRAIN, "--steps", "1", "--set", "labels=1"],
        "use 0 for no labels",
        [*TRAIN, "--steps", "1", "--set", "labels=0"],
    ),
    "lrmul of plain layers": (
        [*TRAIN, "--steps", "1", "--set", "networks.F.lrmul=0.5"],
        "set equalized to true or lrmul to 1",
        [*TRAIN, "--steps", "1", "--set", "networks.F.lrmul=0.5", "--set", "networks.equalized=true"],
    ),
    "a configuration is there": (
        ["new", "photos", "--out", "mine.yaml"],
        "give another name",
        ["new", "photos", "--out", "another.yaml"],
    ),
    "a number of images": (
        ["new", "photos", "--images", "many"],
        "should be a number such as 20000, 600k",
        ["new", "photos", "--images", "600k"],
    ),
    "a picture's name": (
        ["generate", "run", "--out", "samples"],
        "must end in .png or .npy",
        ["generate", "run", "--out", "samples.png"],
    ),
    "no checkpoint": (
        ["generate", "photos", "--out", "samples.png"],
        "give a run of `alae train`",
        ["generate", "run", "--out", "samples.png"],
    ),
    "a case's name": (
        ["conform", "--backend", "jax", "--case", "L1-x"],
        "`alae conform --list --profile full` names them all",
        ["conform", "--list", "--profile", "full"],
    ),
}


@pytest.mark.parametrize("name", ADVICE)
def test_advice_that_is_followed_helps(home, tmp_path, name):
    wrong, advice, right = ADVICE[name]
    copytree(home, tmp_path, dirs_exist_ok=True)
    code, _, err = call_alae(tmp_path, *wrong)
    assert (code, advice in err) == (2, True), err
    code, _, err = call_alae(tmp_path, *right)
    assert code == 0, err


def test_what_a_reason_names_changes_the_choice(tmp_path):
    (tmp_path / "large").mkdir()
    for number in range(3):
        Image.new("RGB", (300, 300), (9, 9, 40 * number)).save(tmp_path / "large" / f"{number}.png")
    code, out, err = call_alae(tmp_path, "new", "large")
    assert (code, "image: [128, 128, 3]" in out) == (0, True)
    assert "the largest chosen automatically (see `alae new --size`); the median shorter side is 300" in err
    assert "images are mirrored at random: set training.mirror=false" in err
    code, out, err = call_alae(tmp_path, "new", "large", "--size", "256")
    assert (code, "image: [256, 256, 3]" in out) == (0, True), err
    words = ["train", "--data", "large", "--images", "2k", "--dry-run", "--backend", "jax"]
    said = [call_alae(tmp_path, *words, *more)[1] for more in ((), ("--set", "training.mirror=false"))]
    assert ["mirror: true" in each for each in said] == [True, False]
