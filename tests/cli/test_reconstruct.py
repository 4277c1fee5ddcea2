"""`alae reconstruct`."""

import numpy as np
import pytest
from PIL import Image

import alae_core as alae
from alae_core import View
from alae_core.images import to_float, to_uint8
from tests.cli.conftest import BACKEND, describe_case, generate_images, photos
from tests.conftest import tiny_style_config
from tests.helpers.requirements import FACES, needs_face_weights, needs_faces
from tests.tolerances import FLOAT32


@pytest.mark.usefixtures("home")
def test_the_held_out_images_are_the_default(run_alae):
    code, out, _ = run_alae("reconstruct", "run", "--backend", BACKEND)
    assert (code, out) == (0, "reconstructions.png: 48 × 8×8×1\n")


@pytest.mark.parametrize("lod", [0, 1, 2])
def test_images_are_reconstructed_at_a_level_of_detail(run_alae, style, lod):
    size, pooled = 4 * 2**lod, to_float(photos())
    while pooled.shape[1] > size:
        pooled = (pooled[:, ::2] + pooled[:, 1::2]) / 2
        pooled = (pooled[:, :, ::2] + pooled[:, :, 1::2]) / 2
    code, out, _ = run_alae("reconstruct", "style", "photos", "--out", "x.npy", "--lod", lod)
    assert (code, out) == (0, f"x.npy: 3 × {size}×{size}×3\n")
    assert np.allclose(np.load("x.npy"), generate_images(style, style.encode(pooled, View(lod)), View(lod)), **FLOAT32)


def test_reconstructions_have_the_names_of_their_images(run_alae, style):
    expected = to_uint8(generate_images(style, style.encode(to_float(photos()))))
    code, out, err = run_alae("reconstruct", "style", "photos", "--out", "new/rec", "--save-w")
    assert (code, out) == (0, "new/rec: 3 × 16×16×3\nnew/rec.w.npy: their latents w\n"), err
    for number, image in enumerate(expected):
        found = np.asarray(Image.open(f"new/rec/{number}.png")).astype(int)
        assert np.abs(found - image).max() <= 1
    np.testing.assert_allclose(np.load("new/rec.w.npy"), style.encode(to_float(photos())), **FLOAT32)
    # Latents stand for their images, and with --count 1 a picture has no frame.
    assert run_alae("reconstruct", "style", "new/rec.w.npy", "--count", 1, "--out", "one.png")[0] == 0
    with Image.open("one.png") as picture:
        assert picture.size == (16, 16)


def test_images_are_reconstructed_without_noise(run_alae, style):
    run_alae("reconstruct", "style", "photos", "--out", "x.npy", "--noise", "none")
    assert np.allclose(np.load("x.npy"), style.reconstruct(to_float(photos()), noise="none"), **FLOAT32)


@pytest.mark.parametrize(
    "words",
    [["run"], ["run", "labelled/left", "--count", "3"], ["digits-style", "--levels", "--count", "2"]],
    ids=" ".join,
)
@pytest.mark.parametrize("ending", ["png", "svg"])
def test_pictures_are_reproducible(run_alae, home, words, ending):
    for name in ("a", "b"):
        code, out, err = run_alae("reconstruct", *words, "--out", f"new/{name}.{ending}", "--backend", BACKEND)
        assert (code, out.partition(f".{ending}")[0]) == (0, f"new/{name}"), err
    first, second = ((home / "new" / f"{name}.{ending}").read_bytes() for name in "ab")
    assert first == second
    if ending == "png":
        picture = np.asarray(Image.open(home / "new" / "a.png").convert("L"))
        assert picture.std() > 10, "the picture is not blank"


@needs_face_weights
@needs_faces
def test_faces_in_photos_are_aligned_and_reconstructed(run_alae, backend, tmp_path):
    (tmp_path / "faces").mkdir()
    with Image.open(min(FACES.glob("*.png"))) as face:
        face.resize((200, 200)).save(tmp_path / "faces" / "face.jpg")
    Image.new("RGB", (50, 40)).save(tmp_path / "faces" / "nothing.png")
    config = tiny_style_config(image=[8, 8, 3])
    alae.save_checkpoint(tmp_path / "run" / "checkpoints", backend.runner(alae.build(config)), run={"training": {}})
    code, out, err = run_alae("reconstruct", "run", "faces", "--align", "--out", "x.png", "--backend", BACKEND)
    assert code == 0, err
    assert "nothing.png: no face found" in out
    assert "x.png: 1 × " in out
    code, out, err = run_alae("reconstruct", "run", "faces/nothing.png", "--align", "--backend", BACKEND)
    assert code == 2
    assert "no face was found" in err


MISTAKES = [
    (["reconstruct", "style", "photos", "--out", "photos"], "--out is photos, the folder of the images themselves"),
    (
        ["reconstruct", "style", "photos", "--out", "x.npz", "--levels"],
        "--levels draws a picture, but x.npz is an array",
    ),
    (["reconstruct", "run", "torn.png", "--backend", BACKEND], "torn.png"),
    (["reconstruct", "mlp", "--lod", "0"], "--lod is only for style models"),
    (["reconstruct", "mlp", "--noise", "none"], "--noise is only for style models"),
    (["reconstruct", "mlp", "--levels"], "--levels is only for style models"),
    (["reconstruct", "style", "--levels", "--out", "x.npy"], "--levels draws a picture, but x.npy is an array"),
    (["reconstruct", "style", "photos", "--lod", "3"], "--lod is 3, but the model has the levels 0 … 2"),
    (["reconstruct", "run", "--align"], "--align needs a SOURCE"),
]


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(("words", "message"), MISTAKES, ids=describe_case)
def test_a_mistake_gives_one_line_and_exit_code_2(assert_refused, words, message):
    assert_refused(words, message)
