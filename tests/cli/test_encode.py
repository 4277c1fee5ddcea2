"""`alae encode`."""

import numpy as np
import pytest
from PIL import Image

from alae_core import View
from alae_core.images import to_float
from tests.cli.conftest import BACKEND, describe_case, photos
from tests.tolerances import FLOAT32


@pytest.mark.usefixtures("home")
def test_the_held_out_images_are_the_default(run_alae):
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save("mine.png")
    assert run_alae("encode", "run", "mine.png", "--backend", BACKEND)[:2] == (
        0,
        "w.npy: 1 × 7\nw.txt: file names, one per line\n",
    )
    assert run_alae("encode", "run", "--out", "own.npy", "--backend", BACKEND)[:2] == (0, "own.npy: 60 × 7\n")
    encodings = np.load("own.npy")
    assert encodings.shape == (60, 7)
    assert encodings.dtype == np.float32


def test_a_folder_is_encoded_in_parts_and_its_file_names_are_listed(run_alae, home, monkeypatch):
    draw = np.random.default_rng(0)
    for name in ("b/1.png", "a/2.png", "a/0.png"):
        (home / "named" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw.integers(0, 256, (8, 8), np.uint8)).save(home / "named" / name)
    monkeypatch.setattr("alae_core.model._CHUNK", 2)
    (home / "named" / "torn.png").write_bytes(b"torn")
    assert "pass skip_bad (--skip-bad)" in run_alae("encode", "run", "named", "--backend", BACKEND)[2]
    code, out, _ = run_alae("encode", "run", "named", "--skip-bad", "--backend", BACKEND)
    skipped = "1 unreadable image in named skipped\n"
    assert (code, out) == (0, f"{skipped}w.npy: 3 × 7\nw.txt: file names, one per line\n")
    names, w = (home / "w.txt").read_text("utf-8").splitlines(), np.load("w.npy")
    assert names == ["a/0.png", "a/2.png", "b/1.png"]
    for name, row in zip(names, w, strict=True):
        run_alae("encode", "run", f"named/{name}", "--out", "one.npy", "--backend", BACKEND)
        np.testing.assert_allclose(np.load("one.npy")[0], row, **FLOAT32)


def test_one_file_has_w_names_and_labels_and_gives_directions(run_alae, home):
    words = ["encode", "run", "labelled", "--out", "w.npz", "--backend", BACKEND]
    assert run_alae(*words)[:2] == (0, "w.npz: 16 × 7; labels: 2 classes from folders\n")
    with np.load("w.npz") as file:
        assert file["labels"].tolist() == [0] * 8 + [1] * 8
        assert file["class_names"].tolist() == ["left", "right"]
        assert file["names"][[0, -1]].tolist() == ["left/0.png", "right/7.png"]
        w = file["w"]
    run_alae("encode", "run", "labelled", "--backend", BACKEND)
    np.testing.assert_array_equal(w, np.load("w.npy"))
    fit = ["directions", "fit", "run", "--data", "w.npz", "--backend", BACKEND]
    code, _, err = run_alae(*fit)
    assert code == 0, err
    assert (home / "run" / "directions" / "right.npy").exists()
    rows = [f"{side}/{i}.png,{i},{i % 2}" for side in ("left", "right") for i in range(8)]
    (home / "labelled" / "table.csv").write_text("\n".join(["file,age,smile", *rows, ""]))
    assert run_alae(*words, "--labels", "table.csv")[:2] == (0, "w.npz: 16 × 7; labels: 2 attributes from table.csv\n")
    with np.load("w.npz") as file:
        assert file["attribute_names"].tolist() == ["age", "smile"]
        assert file["attributes"][:3].tolist() == [[0, 0], [1, 1], [2, 0]]
    # The run's own images, the digits.
    out = run_alae("encode", "run", "--out", "w.npz", "--backend", BACKEND)[1]
    assert out.startswith("w.npz: 60 × 7; labels: 10 classes")


@pytest.mark.parametrize("lod", [0, 1, 2])
def test_images_are_encoded_at_a_level_of_detail(run_alae, style, lod):
    pooled = to_float(photos())
    while pooled.shape[1] > 4 * 2**lod:
        pooled = (pooled[:, ::2] + pooled[:, 1::2]) / 2
        pooled = (pooled[:, :, ::2] + pooled[:, :, 1::2]) / 2
    code, out, _ = run_alae("encode", "style", "photos", "--lod", lod)
    assert (code, out) == (0, "w.npy: 3 × 7\nw.txt: file names, one per line\n")
    assert np.allclose(np.load("w.npy"), style.encode(pooled, View(lod)), **FLOAT32)


MISTAKES = [
    (["encode", "run", "absent", "--backend", BACKEND], "there is no data 'absent'"),
    (["encode", "run", "--out", "w.png", "--backend", BACKEND], "--out is w.png; it must end in .npy or .npz"),
    (["encode", "run", "--labels", "a.csv", "--backend", BACKEND], "--labels is a.csv, but w.npy holds w alone"),
    (["encode", "run", "photos", "--labels", "a", "--out", "w.npz", "--backend", BACKEND], "no file 'a' for the label"),
    (["encode", "mlp", "--lod", "0"], "--lod is only for style models"),
    (["encode", "style", "photos", "--lod", "3"], "--lod is 3, but the model has the levels 0 … 2"),
    (["encode", "run", "--devices", "2", "--backend", "torch"], "backend 'torch' uses one device outside of training"),
    (
        ["encode", "run", "--devices", "2", "--backend", "jax", "--device", "cpu:0"],
        "--device is cpu:0, one device, but",
    ),
]


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(("words", "message"), MISTAKES, ids=describe_case)
def test_a_mistake_gives_one_line_and_exit_code_2(assert_refused, words, message):
    assert_refused(words, message)
