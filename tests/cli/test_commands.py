"""The commands as a person calls them: what works, and what each mistake is told."""

import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import alae_core as alae
from alae_core.checkpoint import write_checkpoint
from tests.cli.conftest import BACKEND
from tests.conftest import TINY, tiny_config
from tests.tolerances import FLOAT32


def save(directory, backend, config, **training):
    """A checkpoint before the first step, of a run on the embedded digits."""
    run = {"training": {"data": "digits", "held_out": 360, **training}}
    return alae.save_checkpoint(directory, backend.runner(alae.build(config)), run=run)


@pytest.fixture
def trained(backend, tmp_path):
    """A checkpoint of a model of the embedded digits, hardly trained."""
    overrides = {key: value for key, value in TINY.items() if key != "image"}
    config = alae.load_config("digits-mlp", overrides=overrides)
    return save(tmp_path / "run" / "checkpoints", backend, config, steps=20)


@pytest.fixture
def conditional(backend, tmp_path):
    return save(tmp_path / "c", backend, tiny_config(labels=3), steps=20)


def test_a_terminal_that_shows_less_than_unicode_is_shown_less(tmp_path):
    for i in range(2):
        Image.new("L", (8, 8)).save(tmp_path / f"{i}.png")
    run = subprocess.run(
        [sys.executable, "-m", "alae_cli", "new", str(tmp_path)],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    assert run.returncode == 0, run.stderr
    assert b"?" in run.stdout


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["train", "--help"],
        ["figure", "mix", "--help"],
        ["presets", "list"],
        ["presets", "show", "mnist-mlp"],
    ],
)
def test_help_and_presets_import_no_framework(words):
    script = (
        "import sys; sys.argv[0] = 'alae'\n"
        "from alae_cli.app import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print('LOADED', sorted({'keras', 'jax', 'torch', 'tensorflow', 'grain', 'sklearn'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True, check=True)
    assert found.stdout.strip().splitlines()[-1] == "LOADED []"


def test_presets(run_alae):
    _, out, _ = run_alae("presets", "list")
    assert [line.split()[0] for line in out.splitlines()] == alae.preset_names()
    _, out, _ = run_alae("presets", "show", "mnist-mlp")
    assert "learning_rate" in out


def test_generate_writes_grids_and_arrays(run_alae, trained):
    code, out, _ = run_alae("generate", "run", "--backend", BACKEND)
    assert (code, out) == (0, "samples.png: 60 × 8×8×1\n")
    with Image.open("samples.png") as picture:
        assert picture.width > 300
    run_alae("generate", "run", "--out", "new/x.npy", "--count", 5, "--seed", 3, "--raw", "--backend", BACKEND)
    model = alae.load_checkpoint(trained).model(averaged=False)
    assert np.array_equal(np.load("new/x.npy"), model.generate(model.map(model.sample_prior(5, seed=3))))


def test_any_number_of_samples_is_made_in_parts(run_alae, trained):
    model = alae.load_checkpoint(trained).model()
    tracemalloc.start()
    try:
        run_alae("generate", "run", "--out", "x.npy", "--count", 30_000, "--backend", BACKEND)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    found = np.load("x.npy")
    assert (found.shape, found.dtype) == ((30_000, 8, 8, 1), np.float32)
    assert peak < found.nbytes, "no more than a part is ever in memory"
    assert np.array_equal(found, model.generate(model.map(model.sample_prior(30_000))))


def test_reconstruct_and_encode_take_the_runs_own_images_or_others(run_alae, trained):
    code, out, _ = run_alae("reconstruct", "run", "--backend", BACKEND)
    assert (code, out) == (0, "reconstructions.png: 48 × 8×8×1\n")
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save("mine.png")
    assert run_alae("encode", "run", "mine.png", "--backend", BACKEND)[:2] == (0, "w.npy: 1 × 7\n")
    assert run_alae("encode", "run", "--out", "own.npy", "--backend", BACKEND)[:2] == (0, "own.npy: 360 × 7\n")
    images = np.load("own.npy")
    assert images.shape == (360, 7)
    assert images.dtype == np.float32


def test_encodings_of_a_folder_have_the_names_of_its_files_beside_them_and_come_in_parts(
    run_alae, trained, tmp_path, monkeypatch
):
    draw = np.random.default_rng(0)
    for name in ("b/1.png", "a/2.png", "a/0.png"):
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw.integers(0, 256, (8, 8), np.uint8)).save(tmp_path / "photos" / name)
    monkeypatch.setattr("alae_core.model._CHUNK", 2)
    code, out, _ = run_alae("encode", "run", "photos", "--backend", BACKEND)
    assert (code, out) == (0, "w.npy: 3 × 7\nw.txt: their names, a line each\n")
    names, w = (tmp_path / "w.txt").read_text("utf-8").splitlines(), np.load("w.npy")
    assert names == ["a/0.png", "a/2.png", "b/1.png"]
    for name, row in zip(names, w, strict=True):
        run_alae("encode", "run", f"photos/{name}", "--out", "one.npy", "--backend", BACKEND)
        np.testing.assert_allclose(np.load("one.npy")[0], row, **FLOAT32)


def test_a_class_can_be_generated(run_alae, conditional):
    run_alae("generate", conditional, "--label", 2, "--count", 4, "--out", "x.npy", "--backend", BACKEND)
    model = alae.load_checkpoint(conditional).model()
    assert np.array_equal(np.load("x.npy"), model.generate(model.map(model.sample_prior(4)), labels=np.full(4, 2)))


@pytest.mark.slow
def test_doctor_examines_every_backend(run_alae):
    code, out, _ = run_alae("doctor")
    assert code == 0
    lines = {line.split()[0]: line for line in out.splitlines()}
    for backend in ("jax", "torch", "tensorflow"):
        assert "ready: keras" in lines[backend] or "pip install" in lines[backend]


MISTAKES = [
    (["train", "--preset", "mnist"], "no preset 'mnist'; did you mean 'mnist-mlp'?"),
    (["train", "--backend", "tpu"], "no backend 'tpu'; installed plug-ins: jax"),
    (["train", "--backend", BACKEND, "--device", "gpu:77"], "has no device 'gpu:77'"),
    (["train", "--set", "adam.rate=1"], "unknown key 'adam.rate'"),
    (["train", "--set", "adam.learning_rate"], "must be KEY=VALUE"),
    (["train", "--set", "image=[1"], "the value is not YAML"),
    (["train", "--set", "training.steps=many"], "training.steps is 'many'"),
    (["train", "--steps", "0"], "training.steps is 0: input should be greater than 0"),
    (["train", "--steps", str(2**63)], f"training.steps is {2**63}: input should be less than or equal to {10**12}"),
    (["train", "--set", "networks.w=1000000000"], "most of it for 1,026,000,182,081 weights"),
    (["train", "--set", "batch_size=1000000000000"], "most of it for a batch of 1,000,000,000,000 images, but this"),
    (["train", "--preset", "digits-mlp", "--config", "x.yaml"], "give one of them"),
    (["train", "--config", "absent.yaml"], "absent.yaml: No such file"),
    (["train", "--data", "absent", "--backend", BACKEND], "there is no data 'absent'"),
    (["train", "--set", "image=[9,9,1]", "--backend", BACKEND], "digits are 8×8×1, but the configuration says 9×9×1"),
    (["train", "--set", "labels=4", "--backend", BACKEND], "labels is 4, but digits has class 9"),
    (
        ["train", "--set", "training.held_out=5000", "--backend", BACKEND],
        "training.held_out is 5000, but there are only 1797",
    ),
    (["train", "--resume", "absent"], "no checkpoint in absent"),
    (["train", "--resume", "run", "--out", "other"], "omit --out"),
    (["train", "--resume", "run", "--seed", "8"], "the run was started with seed 0"),
    (["train", "--resume", "run", "--set", "networks.w=9", "--backend", BACKEND], "but the model needs"),
    (["train", "--resume", "run", "--set", "updates=official", "--backend", BACKEND], "do not fit the model"),
    (["generate", "absent"], "no checkpoint in absent"),
    (["generate", "run", "--out", "x.gif", "--backend", BACKEND], "x.gif must end in .png or .npy"),
    (["generate", "run", "--label", "1", "--backend", BACKEND], "was trained without labels"),
    (["generate", "c", "--label", "3", "--backend", BACKEND], "has the classes 0 … 2"),
    (["generate", "run", "--count", "100000", "--backend", BACKEND], "792 × 550,044 pixels, more than the maximum"),
    (
        ["generate", "run", "--count", str(10**14), "--out", "new/x.npy", "--backend", BACKEND],
        "bytes, but there are only",
    ),
    (["figure", "interpolation", "run", "0", "1", "--count", "100000", "--backend", BACKEND], "6,600,000 × 66 pixels"),
    (
        ["figure", "interpolation", "run", "--count", "100000", "--backend", BACKEND],
        "100,000 × 100,000 images would have 6,600,000 ×",
    ),
    (["figure", "mix", "run", "--rows", "0", "--columns", "1"], "style mixing needs a style model"),
    (["encode", "run", "absent", "--backend", BACKEND], "there is no data 'absent'"),
    (["encode", "run", "--out", "w.png", "--backend", BACKEND], "w.png must end in .npy"),
    (["reconstruct", "run", "torn.png", "--backend", BACKEND], "torn.png"),
    (["presets", "show", "nothing"], "no preset 'nothing'"),
]


@pytest.mark.parametrize(
    ("words", "message"), MISTAKES, ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_a_mistake_is_one_line_and_exit_code_2(refused, trained, conditional, tmp_path, words, message):
    (tmp_path / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n torn")
    refused(words, message)


def test_a_directory_that_cannot_be_written_is_named(run_alae, tmp_path):
    (tmp_path / "file").write_text("in the way")
    code, _, err = run_alae("train", "--out", "file/run", "--backend", BACKEND)
    assert (code, err) == (2, "alae: file/run: Not a directory\n")


def test_too_little_memory_is_a_line(refused, monkeypatch):
    def ask_for_more(*of, **choices):
        np.empty(2**60, np.uint8)

    monkeypatch.setattr("alae_workbench.runs.train.train", ask_for_more)
    refused(["train"], "not enough memory: Unable to allocate 1.00 EiB")


def test_a_damaged_checkpoint_is_named_with_an_intact_one(run_alae, trained, backend, tmp_path):
    checkpoint = alae.load_checkpoint(trained)
    state = {**checkpoint.state, "step": np.array(1)}
    later = write_checkpoint(trained.parent, state, checkpoint.config, author=backend)
    file = later / "state.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    code, _, err = run_alae("train", "--resume", "run")
    assert code == 2
    assert "state.safetensors is damaged" in err
    assert "an older one is intact: give run/checkpoints/step-00000000 instead" in err


def test_usage_mistakes_have_exit_code_2_too(run_alae):
    for words in (["train", "--nonsense"], ["generate"], ["generate", "run", "--count", "0"]):
        code, _, err = run_alae(*words)
        assert code == 2
        assert "Traceback" not in err


def photos(directory, count=6):
    """A folder of small images in colour."""
    directory.mkdir()
    draw = np.random.default_rng(0)
    for i in range(count):
        Image.fromarray(draw.integers(0, 256, (9, 12, 3), np.uint8)).save(directory / f"{i}.png")


def test_a_folder_becomes_a_configuration_to_edit_and_a_model(run_alae, tmp_path):
    photos(tmp_path / "photos")
    code, out, err = run_alae("new", "photos", "--images", "2000")
    assert (code, "size 8: the largest power of two" in err) == (0, True)
    code, said, _ = run_alae("new", "photos", "--images", "2k", "--out", "my.yaml")
    assert (code, said) == (0, "my.yaml: train with `alae train --config my.yaml`\n")
    assert (tmp_path / "my.yaml").read_text("utf-8") == out
    code, out, _ = run_alae("train", "--data", "photos", "--images", "2000", "--steps", "2", "--backend", BACKEND)
    assert (code, "size 8: the largest power of two" in out) == (0, True)
    found = alae.load_checkpoint(tmp_path / "runs" / f"photos-{BACKEND}").config
    assert found.growth == alae.load_config(tmp_path / "my.yaml").growth


@pytest.mark.slow
def test_a_dry_run_says_what_the_run_will_be_and_leaves_nothing(run_alae, tmp_path):
    photos(tmp_path / "photos")
    words = ["train", "--data", "photos", "--images", "1000", "--backend", BACKEND]
    for setting in ("training.held_out=2", "growth.levels.0.images=32", "growth.levels.1.images=40"):
        words += ["--set", setting]
    code, said, err = run_alae(*words, "--dry-run")
    assert code == 0, err
    assert sorted(tmp_path.iterdir()) == [tmp_path / "photos"]
    yaml, rest = said.split("\n\n", 1)
    lines = rest.splitlines()
    assert "data: photos, 4 training images of 8×8×3, 2 held out" in lines
    steps = [line for line in lines if " steps at " in line]
    assert [line.partition(":")[0] for line in steps] == ["2 steps at 4×4", "3 steps at 8×8"]
    assert any(line.startswith("5 steps in all") for line in lines)
    # The run is what was said.
    assert run_alae(*words)[0] == 0
    run = tmp_path / "runs" / f"photos-{BACKEND}"
    assert (run / "config.yaml").read_text("utf-8") == f"{yaml}\n"
    state = alae.load_checkpoint(run).state
    count = sum(array.size for name, array in state.items() if name.startswith("weights/"))
    assert any(line.startswith("weights: ") and f": {count:,} in all" in line for line in lines)
    code, said, _ = run_alae("train", "--resume", run, "--steps", "9", "--dry-run")
    assert "4 steps at 8×8: 16 images each, learning rate 0.0015\n9 steps in all, resuming at step 5" in said


def test_what_no_configuration_can_be_made_for_is_said(refused, run_alae, tmp_path):
    photos(tmp_path / "photos")
    (tmp_path / "there.yaml").touch()
    refused(["new", "photos", "--size", "12"], "--size is 12; style networks make images of 8, 16, 32")
    refused(["new", "photos", "--out", "there.yaml"], "--out there.yaml exists already")
    refused(["new", "photos", "--out", "my.txt"], "--out my.txt must end in .yaml or .yml")
    assert run_alae("new", "photos", "--images", "many")[0] == 2
    refused(["new", "nowhere"], "there is no data 'nowhere'")
    refused(
        ["train", "--data", "photos", "--preset", "digits-mlp", "--images", "2000"],
        "--images is only for a configuration made for the data",
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
@pytest.mark.parametrize(
    "words",
    [
        ["generate", "run", "--out", "out.png"],
        ["generate", "run", "--out", "out.npy"],
        ["encode", "run", "--out", "out.npy"],
        ["reconstruct", "run", "--out", "out.npy"],
        ["reconstruct", "run", "--out", "out.png"],
        ["figure", "interpolation", "run", "--out", "out.png"],
    ],
)
def test_on_a_full_disk_an_output_is_not_there_at_all(run_alae, trained, tmp_path, words):
    (tmp_path / f".writing-{os.getpid()}-{words[-1]}").symlink_to("/dev/full")
    code, _, err = run_alae(*words)
    assert (code, err) == (2, f"alae: {words[-1]}: No space left on device\n")
    assert not list(tmp_path.glob("*out.*"))
