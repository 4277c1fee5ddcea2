"""`alae generate`."""

import tracemalloc
from math import cos, pi

import numpy as np
import pytest
from PIL import Image

import alae_core as alae
from alae_core import View
from alae_core.checkpoint_writing import write_checkpoint
from alae_core.images import to_uint8
from tests.cli.conftest import BACKEND, describe_case, generate_images, make_state, make_style_config
from tests.tolerances import FLOAT32


def generate_array(run_alae, *words):
    assert run_alae("generate", "style", "--out", "x.npy", "--count", 4, *words)[0] == 0
    return np.load("x.npy")


def test_pictures_and_arrays_are_written(run_alae, home):
    code, out, _ = run_alae("generate", "run", "--backend", BACKEND)
    assert (code, out) == (0, "samples.png: 60 × 8×8×1\n")
    with Image.open("samples.png") as picture:
        assert picture.width > 300
    run_alae("generate", "run", "--out", "new/x.npy", "--count", 5, "--seed", 3, "--raw", "--backend", BACKEND)
    model = alae.load_checkpoint(home / "run").model(averaged=False)
    assert np.array_equal(np.load("new/x.npy"), model.generate(model.map(model.sample_prior(5, seed=3))))


@pytest.mark.parametrize(("ending", "magic"), [("pdf", b"%PDF"), ("svg", b"<?xml")])
def test_pdf_and_svg_files_are_reproducible(run_alae, home, ending, magic):
    for name in ("a", "b"):
        assert run_alae("generate", "run", "--out", f"{name}.{ending}", "--backend", BACKEND)[0] == 0
    first, second = ((home / f"{name}.{ending}").read_bytes() for name in "ab")
    assert first == second
    assert first.startswith(magic)


def test_several_truncations_give_rows_of_the_same_samples(run_alae, style):
    for name in ("a", "b"):
        words = ["--truncation", "0,1", "--truncation", "0.5", "--count", "3", "--out", f"new/{name}.png"]
        code, out, err = run_alae("generate", "style", *words)
        assert (code, out) == (0, f"new/{name}.png: 3 samples for each of 3 ψ\n"), err
    with Image.open("new/a.png") as first, Image.open("new/b.png") as second:
        pixels = np.asarray(first)
        assert np.array_equal(pixels, np.asarray(second))
    # With ψ = 0 all three are the mean; with ψ = 1 they differ.
    rows = [[pixels[33 + 66 * row :, 12 + 66 * column :][:64, :64] for column in range(3)] for row in range(2)]
    assert all(np.array_equal(rows[0][0], each) for each in rows[0])
    assert not np.array_equal(rows[1][0], rows[1][1])


def test_samples_are_generated_and_written_in_parts(run_alae, home):
    model = alae.load_checkpoint(home / "run").model()
    tracemalloc.start()
    try:
        run_alae("generate", "run", "--out", "x.npy", "--count", 30_000, "--backend", BACKEND)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    found = np.load("x.npy")
    assert (found.shape, found.dtype) == ((30_000, 8, 8, 1), np.float32)
    assert peak < found.nbytes, "only one part is in memory at a time"
    assert np.array_equal(found, model.generate(model.map(model.sample_prior(30_000))))


def test_files_for_other_programs_are_written(run_alae, home):
    model = alae.load_checkpoint(home / "run").model()
    w = np.concatenate([model.map(model.sample_prior(1, seed=seed)) for seed in (9, 10, 11)])
    expected = to_uint8(model.generate(w))
    options = ["--count", 3, "--seed", 9, "--backend", BACKEND]
    code, out, err = run_alae("generate", "run", "--out", "samples/", "--save-w", *options)
    assert (code, out) == (0, "samples: 3 × 8×8×1\nsamples.w.npy: their latents w\n"), err
    for number, image in zip((9, 10, 11), expected, strict=True):
        assert np.array_equal(np.asarray(Image.open(f"samples/seed{number:04d}.png")), image[..., 0])
    np.testing.assert_allclose(np.load("samples.w.npy"), w, **FLOAT32)
    # One seed for all samples, as in .npy.
    run_alae("generate", "run", "--out", "x.npz", *options)
    assert np.array_equal(np.load("x.npz")["arr_0"], to_uint8(model.generate(model.map(model.sample_prior(3, seed=9)))))
    # A single image has the same seed in each.
    run_alae("generate", "run", "--out", "one.png", "--count", 1, "--seed", 11, "--backend", BACKEND)
    assert np.array_equal(np.asarray(Image.open("one.png")), expected[2, ..., 0])
    # Latents give the same images.
    assert run_alae("generate", "run", "--w", "samples.w.npy", "--out", "again", "--backend", BACKEND)[0] == 0
    assert np.array_equal(np.asarray(Image.open("again/image0002.png")), expected[2, ..., 0])
    code, out, _ = run_alae("generate", "run", "--w", "samples.w.npy", "--out", "grid.png", "--backend", BACKEND)
    assert (code, out) == (0, "grid.png: 3 × 8×8×1\n")


def test_pictures_that_were_in_the_folder_before_are_counted(run_alae, home):
    words = ["generate", "run", "--out", "samples", "--count", 2, "--backend", BACKEND]
    assert run_alae(*words)[1] == "samples: 2 × 8×8×1\n"
    assert run_alae(*words)[1] == "samples: 2 × 8×8×1\n"
    (home / "samples" / "notes.txt").touch()
    assert run_alae(*words, "--seed", 1)[1] == "samples: 2 × 8×8×1, beside 1 picture that was there before\n"


def test_styles_are_saved_as_they_were_truncated(run_alae, style):
    run_alae("generate", "style", "--out", "x.npy", "--count", 2, "--truncation", 0.5, "--save-w")
    assert np.load("x.w.npy").shape == (2, 6, 7)
    run_alae("generate", "style", "--w", "x.w.npy", "--out", "y.npy")
    np.testing.assert_allclose(np.load("y.npy"), np.load("x.npy"), **FLOAT32)


def test_a_class_can_be_generated(run_alae, home):
    run_alae("generate", "classes", "--label", 2, "--count", 4, "--out", "x.npy", "--backend", BACKEND)
    model = alae.load_checkpoint(home / "classes").model()
    assert np.array_equal(np.load("x.npy"), model.generate(model.map(model.sample_prior(4)), labels=np.full(4, 2)))


def test_samples_are_truncated_as_configured_with_the_same_noise_each_time(run_alae, style):
    w = style.map(style.sample_prior(4, seed=3))
    found = generate_array(run_alae, "--seed", 3)
    assert np.allclose(found, generate_images(style, 0.7 * w + 0.3 * style.mean_of_w()), **FLOAT32)
    assert np.array_equal(found, generate_array(run_alae, "--seed", 3))


def test_truncation_1_has_no_effect_and_0_gives_one_image(run_alae, style):
    w = style.map(style.sample_prior(4))
    assert np.allclose(generate_array(run_alae, "--truncation", 1), generate_images(style, w), **FLOAT32)
    found = generate_array(run_alae, "--truncation", 0)
    # Four rows on both sides, because programs for other numbers of images round differently.
    assert np.allclose(found, generate_images(style, style.mean_of_w()[None].repeat(4, axis=0)), **FLOAT32)
    assert np.allclose(found, found[:1], **FLOAT32)


def test_noise_is_fixed_random_or_none(run_alae, style):
    styles = style.truncate(style.map(style.sample_prior(4)))
    none, fixed = generate_array(run_alae, "--noise", "none"), generate_array(run_alae, "--noise", "fixed")
    first, second = (generate_array(run_alae, "--noise", "random") for _ in range(2))
    assert np.array_equal(none, style.generate(styles, noise="none"))
    assert np.array_equal(fixed, generate_array(run_alae))
    assert not any(np.allclose(a, b, **FLOAT32) for a, b in ((none, fixed), (fixed, first), (first, second)))


@pytest.mark.usefixtures("style")
def test_the_averaged_networks_are_the_default(run_alae):
    default, averaged, raw = (generate_array(run_alae, *words) for words in ([], ["--averaged"], ["--raw"]))
    assert np.array_equal(default, averaged)
    trained = alae.load_checkpoint("style").model(averaged=False)
    expected = generate_images(trained, trained.truncate(trained.map(trained.sample_prior(4))))
    assert np.allclose(raw, expected, **FLOAT32)
    assert not np.allclose(raw, averaged, **FLOAT32)


@pytest.mark.usefixtures("style")
@pytest.mark.parametrize("lod", [0, 1, 2])
def test_the_level_of_detail_determines_the_size(run_alae, lod):
    assert generate_array(run_alae, "--lod", lod).shape == (4, 4 * 2**lod, 4 * 2**lod, 3)


def test_the_default_level_is_the_one_training_has_reached(run_alae, style):
    run_alae("generate", "young", "--count", 2, "--out", "x.npy")
    styles = style.truncate(style.map(style.sample_prior(2)))
    blend = 0.5 - 0.5 * cos(pi * 2 / 6)  # before the last step
    assert np.allclose(np.load("x.npy"), generate_images(style, styles, View(1, blend)), **FLOAT32)


def test_a_style_model_generates_the_class_asked_for(run_alae, backend, tmp_path, assert_refused):
    config = make_style_config(labels=3)
    write_checkpoint(tmp_path / "classes" / "checkpoints", make_state(config), config, author=backend)
    model = alae.load_checkpoint(tmp_path / "classes").model()
    styles = model.truncate(model.map(model.sample_prior(4), labels=np.full(4, 2)))
    code, _, err = run_alae("generate", "classes", "--label", 2, "--count", 4, "--out", "x.npy", "--save-w")
    assert code == 0, err
    assert np.allclose(np.load("x.npy"), generate_images(model, styles), **FLOAT32)
    assert np.allclose(np.load("x.w.npy"), styles, **FLOAT32)
    # Saved latents keep their class.
    run_alae("generate", "classes", "--w", "x.w.npy", "--out", "again.npy")
    assert np.allclose(np.load("again.npy"), np.load("x.npy"), **FLOAT32)
    for label in (0, 1):
        words = ["--label", label, "--truncation", "0.5,1", "--count", 2, "--out", f"{label}.png"]
        assert run_alae("generate", "classes", *words)[0] == 0
    assert (tmp_path / "0.png").read_bytes() != (tmp_path / "1.png").read_bytes()
    # The class is in w, so images need no labels.
    Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save("black.png")
    code, _, err = run_alae("reconstruct", "classes", "black.png", "--out", "r.npy")
    assert code == 0, err
    assert run_alae("figure", "mix", "classes", "--rows", "x.w.npy", "--columns", "black.png")[0] == 0
    assert_refused(
        ["figure", "mix", "classes"], "seed 0 has no class, and this model has 3: give images, or latents of"
    )


MISTAKES = [
    (["generate", "absent"], "no checkpoint in absent"),
    (["generate", "run", "--out", "run/config.yaml/x.png"], "but run/config.yaml is a file, not a folder: choose"),
    (
        ["generate", "run", "--out", "x.gif", "--backend", BACKEND],
        "--out is x.gif; it must end in .png or .svg or .pdf",
    ),
    (
        ["generate", "run", "--label", "1", "--backend", BACKEND],
        "--label is 1, but the model was trained without labels",
    ),
    (["generate", "style", "--label", "1"], "was trained without labels"),
    (["generate", "style", "--truncation", "0,1", "--out", "x"], "--truncation has 2 values, but x has room for one"),
    (["generate", "style", "--truncation", "0,1", "--save-w"], "--truncation has 2 values, but --save-w writes one w"),
    (["generate", "style", "--w", "short.npy"], "short.npy holds latents of shape (3,); those of this model have"),
    (["generate", "style", "--w", "photos"], "photos is not a .npy or .npz file of latents w"),
    (["generate", "style", "--w", "short.npy", "--label", "1"], "--label is for samples, but --w gives latents"),
    (["generate", "classes", "--label", "3", "--backend", BACKEND], "has the classes 0 … 2"),
    (["generate", "run", "--count", "100000", "--backend", BACKEND], "792 × 550,044 pixels, more than the maximum"),
    (
        ["generate", "run", "--count", str(10**14), "--out", "new/x.npy", "--backend", BACKEND],
        "bytes, but only",
    ),
    (["generate", "mlp", "--truncation", "0.5"], "--truncation is only for style models, but this model's networks"),
    (["generate", "mlp", "--truncation", "0.5,1"], "--truncation is only for style models"),
    (["generate", "mlp", "--lod", "1"], "--lod is only for style models"),
    (
        ["generate", "mlp", "--noise", "fixed"],
        "--noise is only for style models, but this model's networks are of the family mlp",
    ),
    (["generate", "style", "--lod", "3"], "--lod is 3, but the model has the levels 0 … 2"),
    (["generate", "style", "--truncation", "1.5"], "--truncation is 1.5"),
    (["generate", "style", "--truncation", "0,2"], "--truncation is 2"),
    (["generate", "style", "--truncation", "nan"], "--truncation is nan"),
    (["generate", "style", "--truncation", "0,many"], "--truncation is '0,many': 'many' is not a number"),
    (["generate", "style", "--truncation", "0,1", "--out", "x.npy"], "--truncation has 2 values, but x.npy"),
    (["generate", "style", "--seed", str(2**63)], f"--seed is {2**63}"),
]


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(("words", "message"), MISTAKES, ids=describe_case)
def test_a_mistake_gives_one_line_and_exit_code_2(assert_refused, words, message):
    assert_refused(words, message)
