"""Fixtures for tests of the command line: runs, and functions that call `alae`."""

import os
from functools import partial
from shutil import copytree

import numpy as np
import pytest
from PIL import Image

import alae_core as alae
from alae_core.checkpoint_writing import write_checkpoint
from alae_core.growth import scheduled_steps
from tests.conftest import TINY, call_alae, tiny_config, tiny_style_config
from tests.helpers.runs import make_set_options

BACKEND = os.environ.get("KERAS_BACKEND", "jax")
#: a model of digits that trains in milliseconds
SMALL = {key: value for key, value in TINY.items() if key.startswith("networks")} | {"training.held_out": 60}
LEVELS = [{"images": 12, "batch_size": 4}, {"images": 24, "batch_size": 4, "fade": 1.0}, {"images": 12}]
SCALES = {"styled1/style": 8, "styled2/style": 8, "G/to_rgb0/bias": 0, "G/to_rgb1/bias": 0, "G/to_rgb2/bias": 0}


@pytest.fixture
def run_alae(monkeypatch, tmp_path):
    """Call `alae` with the given words in the test's own directory, which is the current one."""
    monkeypatch.chdir(tmp_path)
    return partial(call_alae, tmp_path)


@pytest.fixture
def assert_refused(run_alae, tmp_path):
    """Assert that `alae` refuses the given words: exit code `code`, one line with a message, and no file written."""

    def check(words, message, code=2):
        before = sorted(tmp_path.rglob("*"))
        found, _, err = run_alae(*words)
        assert found == code
        assert message in err
        assert err.startswith("alae: ")
        assert len(err.strip().splitlines()) == 1
        assert sorted(tmp_path.rglob("*")) == before, "a mistake leaves nothing behind"

    return check


@pytest.fixture(scope="session")
def runs(backend, tmp_path_factory):
    """A directory of runs and images, to be copied.

    run, other: models of digits after four steps, with records; w has 7 numbers
    style, young: style models of 16×16×3 at their last level, and while 8×8 fades in; their training data is unknown
    digits-style: a style model of digits, 8×8×1
    mlp, classes: models of 4×3×2 before training, without labels and with three classes
    photos: three images of 16×16×3; labelled: eight images of 8×8×1 in each of left and right
    one: a folder without images; empty.csv: a table without rows; short.npy: three numbers; torn.png: not an image
    """
    directory = tmp_path_factory.mktemp("runs")
    settings = make_set_options(SMALL)
    settings += ["--set", "training.report_every=2", "--set", "training.checkpoint_every=2"]
    for name, seed in (("run", 0), ("other", 1)):
        words = ["--preset", "digits-mlp", "--steps", 4, "--seed", seed, "--out", name, "--backend", BACKEND]
        code, out, err = call_alae(directory, "train", *settings, *words)
        assert code == 0, out + err
    mlp, classes, young = tiny_config(), tiny_config(labels=3), make_style_config()
    digits = tiny_style_config(image=[8, 8, 1])
    states = {
        "style": (young, make_state(young)),
        # Three steps at 4×4, then three of the six in which 8×8 fades in.
        "young": (young, make_state(young, step=6)),
        "mlp": (mlp, make_first_state(mlp)),
        "classes": (classes, make_first_state(classes)),
        "digits-style": (digits, make_first_state(digits) | {"w_mean": np.ones(digits.networks.w, np.float32)}),
    }
    for name, (config, state) in states.items():
        run = {"training": {"data": "digits"}} if name == "digits-style" else None
        write_checkpoint(directory / name / "checkpoints", state, config, author=backend, run=run)
    (directory / "photos").mkdir()
    for i, pixels in enumerate(photos()):
        Image.fromarray(pixels).save(directory / "photos" / f"{i}.png")
    draw = np.random.default_rng(0)
    for kind in ("left", "right"):
        (directory / "labelled" / kind).mkdir(parents=True)
        for i in range(8):
            Image.fromarray(draw.integers(0, 256, (8, 8), np.uint8)).save(directory / "labelled" / kind / f"{i}.png")
    (directory / "one" / "only").mkdir(parents=True)
    (directory / "empty.csv").write_text("file,smile\n")
    np.save(directory / "short.npy", np.ones(3))
    (directory / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n torn")
    return directory


@pytest.fixture
def home(runs, tmp_path):
    """The test's own directory, with a copy of `runs`."""
    copytree(runs, tmp_path, dirs_exist_ok=True)
    return tmp_path


@pytest.fixture(scope="session")
def averaged_model(runs):
    return alae.load_checkpoint(runs / "style").model()


@pytest.fixture
def style(home, averaged_model):
    """The averaged model of the run `style` in the test's own directory."""
    return averaged_model


def make_style_config(**overrides):
    return tiny_style_config(image=[16, 16, 3], growth__levels=LEVELS, **overrides)


def make_state(config, step=None):
    """Make a state at `step`, by default the last. Noise is visible, and averages differ from the weights."""
    model, rng = alae.build(config), np.random.default_rng(0)
    state = make_first_state(config)
    for name, value in model.weights().items():
        # Scaled so that styles have an effect and images stay within [−1, 1]: pictures then show each difference.
        scale = next((number for part, number in SCALES.items() if part in name), 1)
        state[f"weights/{name}"] = scale * (value + rng.normal(0, 0.5, value.shape)).astype("float32")
        state[f"averages/{name}"] = state[f"weights/{name}"] * np.float32(0.9)
    state["w_mean"] = rng.normal(size=config.networks.w).astype("float32")
    return state | {"step": np.array(scheduled_steps(config) if step is None else step)}


def make_first_state(config):
    from alae_core.state import initial_state  # imports Keras, which `make check` does without

    model = alae.build(config)
    return initial_state(model.config, model.updates, model.weights(), model.mean_of_w())


def photos():
    return np.random.default_rng(1).integers(0, 256, (3, 16, 16, 3), np.uint8)


def sample_styles(model, *seeds, psi=None):
    """Return the styles of one sample per seed."""
    return model.truncate(np.concatenate([model.map(model.sample_prior(1, seed=seed)) for seed in seeds]), psi)


def generate_images(model, styles, view=None):
    return model.generate(styles, view, noise=model.sample_noise(1, view=view))


def describe_case(value):
    """Return the id of a parametrized mistake: its words."""
    return " ".join(value) if isinstance(value, list) else ""
