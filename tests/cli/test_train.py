"""`alae train`."""

import numpy as np
import pytest
from PIL import Image

import alae_core as alae
from alae_core.checkpoint_writing import write_checkpoint
from tests.cli.conftest import BACKEND, describe_case


def write_photos(directory, count=6):
    """A folder of small images in colour."""
    directory.mkdir()
    draw = np.random.default_rng(0)
    for i in range(count):
        Image.fromarray(draw.integers(0, 256, (9, 12, 3), np.uint8)).save(directory / f"{i}.png")


@pytest.mark.slow
def test_a_dry_run_describes_the_run_and_writes_nothing(run_alae, tmp_path):
    write_photos(tmp_path / "photos")
    words = ["train", "--data", "photos", "--preset", "photos-style", "--backend", BACKEND]
    levels = "[{images: 32, batch_size: 16}, {images: 40, batch_size: 16}]"
    for setting in ("training.held_out=2", "image=[8,8,3]", f"growth.levels={levels}"):
        words += ["--set", setting]
    code, said, err = run_alae(*words, "--dry-run")
    assert code == 0, err
    assert sorted(tmp_path.iterdir()) == [tmp_path / "photos"]
    yaml, rest = said.split("\n\n", 1)
    lines = rest.splitlines()
    assert "data: photos, 4 training images of 8×8×3, 2 held out" in lines
    assert "labels: none" in lines
    steps = [line for line in lines if " steps at " in line]
    assert [line.partition(":")[0] for line in steps] == ["2 steps at 4×4", "3 steps at 8×8"]
    assert any(line.startswith("5 steps in all") for line in lines)
    # The run is as described.
    assert run_alae(*words)[0] == 0
    run = tmp_path / "runs" / f"photos-style-{BACKEND}"
    assert (run / "config.yaml").read_text("utf-8") == f"{yaml}\n"
    state = alae.load_checkpoint(run).state
    count = sum(array.size for name, array in state.items() if name.startswith("weights/"))
    assert any(line.startswith("weights: ") and f": {count:,} in all" in line for line in lines)
    code, said, _ = run_alae("train", "--resume", run, "--steps", "9", "--dry-run")
    assert "4 steps at 8×8: 16 images each, learning rate 0.0015\n9 steps in all, resuming at step 5" in said


def test_the_error_names_a_damaged_checkpoint_and_an_intact_one(run_alae, home, backend):
    checkpoint = alae.load_checkpoint(home / "run")
    state = {**checkpoint.state, "step": np.array(5)}
    later = write_checkpoint(home / "run" / "checkpoints", state, checkpoint.config, author=backend)
    file = later / "state.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    code, _, err = run_alae("train", "--resume", "run")
    assert code == 2
    assert "state.safetensors is damaged" in err
    assert "an older one is intact: give run/checkpoints/step-00000004 instead" in err


MISTAKES = [
    (["--preset", "mnist"], "no preset 'mnist'; did you mean 'mnist-mlp'?"),
    (["--backend", "tpu"], "no backend 'tpu'; installed backends: jax"),
    (["--backend", BACKEND, "--device", "gpu:77"], "has no device 'gpu:77'"),
    (["--set", "adam.rate=1"], "unknown key 'adam.rate'"),
    (["--set", "adam.learning_rate"], "must be KEY=VALUE"),
    (["--set", "image=[1"], "the value is not YAML"),
    (["--set", "training.steps=many"], "training.steps is 'many'"),
    (["--steps", "0"], "--steps is 0"),
    (
        ["--preset", "mnist-style", "--set", "training.microbatch=48"],
        "training.microbatch is 48, which does not divide batches of 64 or 128 images: use 1, 2, 4, 8, 16, 32, 64 or",
    ),
    (["--steps", str(2**63)], f"--steps is {2**63}"),
    (
        ["--set", f"training.steps={2**63}"],
        f"training.steps is {2**63}: input should be less than or equal to {10**12}",
    ),
    (["--set", "networks.w=1000000000"], "most of it for 770,000,653,858 weights"),
    (["--set", "batch_size=1000000000000"], "most of it for a batch of 1,000,000,000,000 images, but this"),
    (["--preset", "digits-mlp", "--config", "x.yaml"], "give one of them"),
    (["--config", "absent.yaml"], "absent.yaml: No such file"),
    (["--data", "absent", "--backend", BACKEND], "there is no data 'absent'"),
    (["--set", "image=[9,9,1]"], "image is 9×9, but 2 networks.widths make images with sides of 8, 10, 12"),
    (
        ["--preset", "digits-mlp", "--set", "image=[9,9,1]", "--backend", BACKEND],
        "digits are 8×8×1, but the configuration says 9×9×1",
    ),
    (["--set", "labels=4", "--backend", BACKEND], "labels is 4, but digits has class 9"),
    (
        ["--set", "training.held_out=5000", "--backend", BACKEND],
        "training.held_out is 5000, but there are only 1797",
    ),
    (["--set", "training.measures=[psnt]"], "there is no measure 'psnt'; did you mean 'psnr'?"),
    (["--set", "training.best=rank_mapped"], "training.best is 'rank_mapped'; it must be a measure that can be ranked"),
    (
        ["--set", "algorithm=autoencoder", "--set", "training.best=overfitting"],
        "training.best is overfitting, which needs the networks E, D, but the algorithm autoencoder has no D",
    ),
    (
        ["--data", "photos", "--set", "training.best=svm_w", "--backend", BACKEND],
        "training.best is svm_w, which needs labels, but photos has none",
    ),
    (
        ["--devices", "3"],
        "--devices is 3, but a batch of 32 does not divide into 3 equal parts: set the batch size to 30",
    ),
    (["--devices", "two"], "--devices: 'two' must be a number of devices, or all"),
    (["--freeze", "F,E.conv"], "freeze names 'E.conv', which is not a part of the networks; did you mean 'E.conv0'?"),
    (["--resume", "absent"], "no checkpoint in absent"),
    (["--from", "absent"], "no checkpoint in absent"),
    (["--from", "run", "--from-level", "2"], "--from-level is 2, but only style networks have levels of detail"),
    (["--partial"], "--partial is only for a run that starts from another: give that run too"),
    (["--from", "run", "--set", "networks.w=9"], "run/checkpoints/step-00000004 do not fit the model (F."),
    (["--resume", "run", "--out", "other"], "continue that run with --resume other, or choose another --out"),
    (["--resume", "run", "--seed", "8"], "seed is 8, but the run was started with seed 0"),
    (["--resume", "run", "--set", "networks.w=9", "--backend", BACKEND], "but the model needs"),
    (["--resume", "run", "--set", "updates=official", "--backend", BACKEND], "do not fit the model"),
    (
        ["--data", "photos", "--preset", "digits-mlp", "--images", "2000"],
        "--images is only for a configuration made for the data",
    ),
]


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(("words", "message"), MISTAKES, ids=describe_case)
def test_a_mistake_gives_one_line_and_exit_code_2(assert_refused, words, message):
    assert_refused(["train", *words], message)
