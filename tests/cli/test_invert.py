"""`alae invert`."""

import numpy as np
import pytest

from tests.cli.conftest import BACKEND, SMALL


def test_three_starts_are_compared_and_w_is_written(run_alae, home):
    code, out, err = run_alae("invert", "run", "labelled/left", "--steps", "8", "--count", "2", "--backend", BACKEND)
    assert code == 0, err
    assert all(word in out for word in ("E(x)", "mean of w", "inverted.png"))
    assert run_alae("invert", "run", "--steps", "2", "--count", "3", "--out", "w.npy", "--backend", BACKEND)[0] == 0
    assert np.load(home / "w.npy").shape == (3, SMALL["networks.w"])
    options = ["--steps", "2", "--out", "found", "--save-w", "--backend", BACKEND]
    assert run_alae("invert", "run", "labelled/left", *options)[0] == 0
    assert sorted(path.name for path in (home / "found").iterdir()) == [f"{number}.png" for number in range(8)]
    assert np.load(home / "found.w.npy").shape == (8, SMALL["networks.w"])


def test_images_are_inverted_in_batches(run_alae, home, monkeypatch):
    options = ["labelled/left", "--steps", "3", "--save-w", "--backend", BACKEND]
    assert run_alae("invert", "run", *options, "--out", "whole")[0] == 0
    monkeypatch.setattr("alae_core.model._CHUNK", 3)
    assert run_alae("invert", "run", *options, "--out", "parts")[0] == 0
    np.testing.assert_allclose(np.load("parts.w.npy"), np.load("whole.w.npy"), rtol=1e-4, atol=1e-5)
    assert len(list((home / "parts").iterdir())) == 8


@pytest.mark.usefixtures("style")
def test_style_models_are_inverted_at_a_level_of_detail(run_alae):
    words = ["invert", "style", "photos", "--steps", "1", "--layers", "--lod", "1", "--out", "w.npy"]
    code, _, err = run_alae(*words, "--backend", BACKEND)
    assert code == 0, err
    assert np.load("w.npy").shape[0] == 3


@pytest.mark.usefixtures("home")
def test_a_style_for_each_layer_needs_a_style_model(assert_refused):
    assert_refused(["invert", "run", "--layers", "--backend", BACKEND], "--layers is only for style models")
