"""`alae edit`."""

import numpy as np
import pytest
from PIL import Image

import alae_core as alae
from alae_core.images import to_uint8
from tests.cli.conftest import BACKEND, describe_case


@pytest.mark.parametrize(
    "options",
    [["--direction", "right.npy=2.5,up.npy=-1"], ["--direction", "right.npy=2.5", "--direction", "up.npy=-1"]],
)
def test_images_are_moved_along_several_directions(run_alae, home, options):
    right, up = np.random.default_rng(0).normal(size=(2, 7)).astype(np.float32)
    np.save(home / "right.npy", right)
    np.save(home / "up.npy", up)
    words = ["edit", "run", "labelled/left", *options]
    code, _, err = run_alae(*words, "--out", "e.npy", "--backend", BACKEND)
    assert code == 0, err
    model = alae.load(home / "run")
    x = np.stack([np.asarray(Image.open(home / "labelled" / "left" / f"{i}.png")) for i in range(8)])[..., None]
    expected = model.generate(model.encode(x) + np.float32(2.5) * right - up)
    np.testing.assert_allclose(np.load(home / "e.npy"), expected, rtol=1e-4, atol=1e-5)
    assert run_alae(*words, "--backend", BACKEND)[:2] == (0, "edited.png\n")


def test_directions_of_the_run_are_found_by_name(run_alae, home):
    assert run_alae("directions", "fit", "run", "--method", "principal", "--backend", BACKEND)[0] == 0
    np.save(home / "same.npy", np.load(home / "run" / "directions" / "principal-0.npy"))
    for name in ("principal-0", "same.npy"):
        words = ["edit", "run", "labelled/left", "--direction", f"{name}=2", "--out", f"{name}.npy"]
        assert run_alae(*words, "--backend", BACKEND)[0] == 0
    assert np.array_equal(np.load(home / "principal-0.npy"), np.load(home / "same.npy.npy"))


def test_latents_are_moved_themselves_and_saved(run_alae, home):
    along, w = np.random.default_rng(0).normal(size=(2, 7)).astype(np.float32)
    np.save(home / "along.npy", along)
    np.save(home / "w.npy", w)
    words = ["edit", "run", "w.npy", "--direction", "along.npy=2", "--save-w", "--backend", BACKEND]
    code, out, err = run_alae(*words, "--out", "e.npz")
    assert (code, out) == (0, "e.npz: 1 × 8×8×1\ne.w.npy: their latents w\n"), err
    np.testing.assert_allclose(np.load("e.w.npy"), (w + 2 * along)[None], rtol=1e-6)
    expected = to_uint8(alae.load(home / "run").generate((w + 2 * along)[None]))
    assert np.array_equal(np.load("e.npz")["arr_0"], expected)
    assert run_alae(*words, "--out", "folder")[0] == 0
    assert np.array_equal(np.asarray(Image.open("folder/image0000.png")), expected[0, ..., 0])


def test_few_images_are_in_memory(run_alae, home, monkeypatch):
    monkeypatch.setattr("alae_core.model._CHUNK", 3)
    np.save(home / "along.npy", np.random.default_rng(0).normal(size=7).astype(np.float32))
    counts, run = [], alae.Alae._run
    monkeypatch.setattr(
        alae.Alae, "_run", lambda *args, **options: counts.append(len(args[2])) or run(*args, **options)
    )
    words = ["edit", "run", "labelled/left", "--direction", "along.npy=2", "--save-w", "--backend", BACKEND]
    assert run_alae(*words, "--out", "parts", "--count", 8)[0] == 0
    assert (max(counts), sum(counts)) == (3, 16)
    monkeypatch.setattr("alae_core.model._CHUNK", 8)
    assert run_alae(*words, "--out", "whole")[0] == 0
    np.testing.assert_allclose(np.load("parts.w.npy"), np.load("whole.w.npy"), rtol=1e-5, atol=1e-6)
    for number in range(8):
        part, whole = (np.asarray(Image.open(f"{name}/{number}.png")).astype(int) for name in ("parts", "whole"))
        assert np.abs(part - whole).max() <= 1


def test_level_and_noise_affect_the_images(run_alae, style):
    np.save("along.npy", np.ones(7, np.float32))
    words = ["edit", "style", "photos", "--direction", "along.npy=0", "--out", "x.npy"]
    assert run_alae(*words, "--lod", 1, "--noise", "none")[0] == 0
    found = np.load("x.npy")
    assert found.shape == (3, 8, 8, 3)
    assert run_alae("reconstruct", "style", "photos", "--lod", 1, "--noise", "none", "--out", "y.npy")[0] == 0
    np.testing.assert_allclose(found, np.load("y.npy"), rtol=1e-4, atol=1e-5)


MISTAKES = [
    (["edit", "run", "labelled/left", "--direction", "smile"], "--direction is smile; it must be NAME=AMOUNT"),
    (["edit", "run", "labelled/left", "--direction", "a=1,smile"], "--direction is smile; it must be NAME=AMOUNT"),
    (["edit", "run", "labelled/left", "--direction", "short.npy=1", "--backend", BACKEND], "short.npy has 3 numbers"),
    (["edit", "run", "labelled/left"], "--direction is missing: give one and how far to move"),
    (["edit", "mlp", "photos", "--direction", "short.npy=1", "--lod", "0"], "--lod is only for style models"),
]


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(("words", "message"), MISTAKES, ids=describe_case)
def test_a_mistake_gives_one_line_and_exit_code_2(assert_refused, words, message):
    assert_refused(words, message)
