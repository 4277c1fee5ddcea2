"""The authors' recorded numbers are reproduced; skipped without the records."""

import os
import re
import subprocess
import sys

import numpy as np
import pytest
from keras import ops

import alae_core as alae
from alae_core.growth import position
from alae_workbench.exchange import parity, replay
from alae_workbench.exchange.parity import Row
from tests.conftest import random_images, tiny_style_config
from tests.helpers.requirements import OFFICIAL, needs_official
from tests.tolerances import FLOAT32


@pytest.mark.slow
@needs_official
def test_every_recorded_number_is_reproduced(backend):
    # As documented, `--backend` alone selects Keras' framework.
    environment = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
    if backend.name == "tensorflow":
        # Without XLA's optimization (see conftest.py), an activation has the other sign at a leaky ReLU's kink
        # (docs/parity.md, "Errors due to rounding").
        environment.pop("XLA_FLAGS", None)
    files = [str(OFFICIAL / name) for name in ("style32.pth", "style32.npz")]
    command = [sys.executable, "-m", "alae_workbench.exchange.parity", *files, "--backend", backend.name]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    compared = dict(re.findall(r"^\| (.*?) \| ([\d,]+) \|", done.stdout, re.MULTILINE))
    assert compared["G(F(z)), noise as recorded"] == f"{4 * 3 * (4**2 + 2 * (8**2 + 16**2 + 32**2)):,}"
    assert compared["training at lod 2, blend 0.35: losses"] == "6"
    # The gradient of a bias on a constant map before an instance norm is zero up to rounding.
    assert re.findall(r"`(.*?)`", done.stdout) == ["G/block0/styled1/bias"]
    assert compared["training at lod 2, blend 1: displacement of each weight"] == "99"


def test_errors_beyond_their_limit_and_nans_are_failures():
    for wrong, holds in ((1e-5, True), (2e-4, False), (np.nan, False)):
        result = parity.Parity()
        result["x"].compare(np.zeros(3), np.zeros(3), rtol=1e-4, atol=1e-4)
        result["x"].compare([0.0, wrong], [0.0, 0.0], rtol=1e-4, atol=1e-4)
        assert result.holds == holds
    row = Row("moved")
    row.add_error(0.0, 0.0)
    assert row.of_limit == 0
    row.add_error(1e-9, 0.0)
    assert row.of_limit > 1


def test_a_record_that_lacks_a_loss_is_refused():
    record = {f"a/{name}": np.ones(()) for name in ("grad_E_norm", "it0/loss_d", "it0/loss_g")}
    with pytest.raises(KeyError, match="a/it0/loss_ae"):
        replay.read_training(record, "a/", {}, tiny_style_config())


def judge_displacement(ours, theirs, nudge=0.0):
    """Judge a weight by its displacement in ALAE, in the authors' code, and after nudging ALAE's weights."""
    key, result = ("displacement of each weight", "`w`"), parity.Parity()
    calls = []

    def train(number):
        calls.append(number)
        return {key: np.array([ours if number is None else ours + nudge])}

    parity._judge(result, "training", {key: np.array([theirs])}, train)
    return result, calls


def test_an_error_within_its_limit_needs_no_nudges():
    result, calls = judge_displacement(ours=1.0009, theirs=1.0, nudge=5.0)
    assert (result.holds, result.undecided, calls) == (True, [], [None])


def test_an_error_that_no_nudge_explains_is_a_failure():
    result, calls = judge_displacement(ours=1.002, theirs=1.0)
    assert (result.holds, result.undecided, len(calls)) == (False, [], 21)
    assert not judge_displacement(ours=1.002, theirs=1.0, nudge=9e-4)[0].holds, "the nudge stays within the limit"
    assert not judge_displacement(ours=1.5, theirs=1.0, nudge=0.04)[0].holds, "the error is more than ten nudges"
    assert not judge_displacement(ours=np.nan, theirs=1.0, nudge=5.0)[0].holds
    assert not judge_displacement(ours=1e-9, theirs=0.0, nudge=5.0)[0].holds, "what the authors left alone has moved"


def test_an_error_that_a_nudge_explains_is_listed_separately():
    result, calls = judge_displacement(ours=1.5, theirs=1.0, nudge=-0.06)
    assert (result.holds, result.rows, calls) == (True, {}, [None, 0])
    assert result.undecided == [("training: displacement of each weight", "`w`", pytest.approx(500), pytest.approx(60))]
    assert "- training: displacement of each weight: `w` 500, 60" in result.markdown().splitlines()


@pytest.mark.parametrize("blend", [0.05, 0.35, 1.0])
def test_images_fade_to_the_recorded_ones(blend, backend):
    x, family = random_images(2, (8, 8, 2)), alae.build(tiny_style_config()).family
    seen = family.fade(ops.convert_to_tensor(replay.undo_fade(x, 1, blend)), blend=blend)
    np.testing.assert_allclose(ops.convert_to_numpy(seen), x, **FLOAT32)


def test_the_schedule_is_at_the_recorded_level_and_blend():
    config = replay.replay_schedule(tiny_style_config(), 4)
    for lod, blend in ((0, 1.0), (1, 0.0), (1, 0.35), (1, 0.999), (1, 1.0)):
        step = replay.step_at(lod, blend)
        for each in (step, step + 1):
            stage, found, *_ = position(config, each)
            assert (stage.lod, stage.batch_size) == (lod, 4)
            assert abs(found - blend) < 1e-8
