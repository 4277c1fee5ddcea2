"""`alae new`."""

import numpy as np
import pytest
from PIL import Image

import alae_core as alae
from alae_workbench.runs.settings import load_experiment
from tests.cli.conftest import BACKEND


@pytest.fixture
def photos(tmp_path):
    """A folder of six small images in colour."""
    (tmp_path / "photos").mkdir()
    draw = np.random.default_rng(0)
    for i in range(6):
        Image.fromarray(draw.integers(0, 256, (9, 12, 3), np.uint8)).save(tmp_path / "photos" / f"{i}.png")


@pytest.mark.usefixtures("photos")
def test_new_and_train_make_the_same_configuration(run_alae, tmp_path):
    code, out, err = run_alae("new", "photos", "--images", "2000")
    assert (code, "size 8: the largest possible" in err) == (0, True)
    code, said, _ = run_alae("new", "photos", "--images", "2k", "--out", "my.yaml")
    assert (code, said) == (0, "my.yaml: train with `alae train --config my.yaml`\n")
    assert (tmp_path / "my.yaml").read_text("utf-8") == out
    code, out, _ = run_alae("train", "--data", "photos", "--images", "2000", "--steps", "2", "--backend", BACKEND)
    assert (code, "size 8: the largest possible" in out) == (0, True)
    found = alae.load_checkpoint(tmp_path / "runs" / f"photos-{BACKEND}").config
    assert found.networks == alae.load_config(tmp_path / "my.yaml").networks
    assert found.networks.family == "conv"


@pytest.mark.usefixtures("photos")
def test_style_networks_are_made_on_request_and_for_long_trainings(run_alae):
    for words in (["--family", "style", "--images", "2000"], ["--images", "1M"]):
        code, out, err = run_alae("new", "photos", *words)
        assert (code, "family: style" in out, "style networks: " in err) == (0, True, True)


@pytest.mark.usefixtures("photos")
def test_a_configuration_for_fine_tuning_names_its_origin(run_alae, assert_refused, tmp_path):
    code, _, err = run_alae("new", "photos", "--from", "shipped", "--out", "tuned.yaml")
    assert (code, "36 weights taken over" in err) == (0, True)
    found = load_experiment(tmp_path / "tuned.yaml")
    assert (found.training.origin.path, found.training.data) == ("shipped", "photos")
    assert_refused(["new", "photos", "--from", "shipped", "--size", "64"], "do not fit the model (G.conv2.kernel: ")
    code, out, err = run_alae("new", "photos", "--from", "shipped", "--size", "64", "--partial")
    assert (code, "G.conv2.bias: (3,) there, (8,) here" in err, "partial: true" in out) == (0, True, True)
    assert_refused(["new", "photos", "--from", "shipped", "--family", "conv"], "--family is conv, but networks and")
    assert_refused(["new", "photos", "--partial"], "--partial is only for --from RUN")


@pytest.mark.usefixtures("photos")
def test_wrong_choices_are_refused(assert_refused, tmp_path):
    (tmp_path / "there.yaml").touch()
    assert_refused(["new", "photos", "--size", "9"], "--size is 9; conv networks make images of 8, 10, 12")
    assert_refused(["new", "photos", "--images", "3"], "--images is 3; it must be at least 1,000")
    assert_refused(["new", "photos", "--out", "there.yaml"], "--out is there.yaml, which already exists")
    assert_refused(["new", "photos", "--out", "my.txt"], "--out is my.txt; it must end in .yaml or .yml")
    assert_refused(["new", "photos", "--images", "many"], "'many' must be a number such as 20000, 600k or 2M")
    assert_refused(["new", "nowhere"], "there is no data 'nowhere'")
