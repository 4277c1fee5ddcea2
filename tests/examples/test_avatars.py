"""The cartoon avatars: the table of attributes describes the images, equal options give equal files, the preset trains.

Images are rendered by Node.js with the packages of examples/avatars (`npm ci` there); these tests download nothing.
"""

import csv
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image

import alae_core as alae
from alae_workbench.data.resolve import open_source
from tests.conftest import REPOSITORY, content, random_images

PROJECT = REPOSITORY / "examples" / "avatars"
NODE = shutil.which("node")
COUNT = 60
CLOTHES = {
    "blue": "456dff",
    "teal": "54d7c7",
    "purple": "7555ca",
    "green": "6dbb58",
    "red": "e24553",
    "yellow": "f3b63a",
}
EARS = {"light": "f3b79e", "tan": "dd8f5f", "brown": "a8552a", "dark": "74361a"}

needs_packages = pytest.mark.skipif(
    NODE is None or not (PROJECT / "node_modules" / "@dicebear").is_dir(),
    reason="needs Node.js and the packages of examples/avatars: run `npm ci` there",
)


def render(*words):
    return subprocess.run(
        [NODE, PROJECT / "render.mjs", *map(str, words)], capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("avatars") / "made"
    done = render(folder, "--count", COUNT)
    assert done.returncode == 0, done.stderr
    return folder


def read_rows(folder):
    with (folder / "attributes.csv").open() as file:
        return list(csv.DictReader(file))


def count_pixels(image, colour):
    """Count the pixels of an image that have this hexadecimal colour, up to one grey level."""
    values = [int(colour[i : i + 2], 16) for i in (0, 2, 4)]
    return (np.abs(image.astype(int) - values).max(-1) <= 1).sum()


@needs_packages
def test_every_image_has_its_row(folder):
    rows = read_rows(folder)
    assert [row["file"] for row in rows] == sorted(path.name for path in folder.glob("*.png"))
    assert len({tuple(row.values()) for row in rows}) == COUNT
    assert len({path.read_bytes() for path in folder.glob("*.png")}) == COUNT
    assert "CC BY 4.0" in (folder / "LICENSE.txt").read_text()


@needs_packages
def test_images_show_the_attributes_of_their_row(folder):
    for row in read_rows(folder):
        image = np.asarray(Image.open(folder / row["file"]).convert("RGB"))
        assert image.shape == (64, 64, 3)
        skin = {name: count_pixels(image, colour) for name, colour in EARS.items()}
        assert max(skin, key=skin.get) == row["skin"], row
        if row["clothing"] in ("shirt", "wide"):
            clothes = {name: count_pixels(image[-8:], colour) for name, colour in CLOTHES.items()}
            assert max(clothes, key=clothes.get) == row["clothing-colour"], row
        # Lenses are the darkest part of the face, between the bridge and the temples.
        dark = (image[24:36, 18:46].max(-1) < 110).mean()
        assert (dark > 0.15) == (row["glasses"] == "1"), (row, dark)


@needs_packages
def test_properties_follow_from_the_other_attributes(folder):
    for row in read_rows(folder):
        assert row["glasses"] == str(int("glasses" in row["eyes"]))
        assert row["hat"] == str(int(row["hair"] in ("cap", "beanie")))
        assert row["facial-hair"] == str(int(row["beard"] != "none"))
        assert row["dark-skin"] == str(int(row["skin"] in ("brown", "dark")))
        assert row["smiling"] == str(int("smile" in row["mouth"]))
        assert (row["mouth"] == "hidden") == (row["beard"] == "full")
        bare = row["hair"] in ("bald", "cap", "beanie") and row["beard"] == "none"
        assert (row["hair-colour"] == "hidden") == bare


@needs_packages
def test_attributes_are_read_as_labels(folder):
    found, rows = open_source(str(folder)), read_rows(folder)
    assert found.labels.shape == (COUNT, len(found.label_names))
    assert {"glasses", "hair-long", "skin-dark", "clothing-colour-blue"} <= set(found.label_names)
    blond = found.labels[:, found.label_names.index("hair-colour-blond")]
    assert blond.tolist() == [int(row["hair-colour"] == "blond") for row in rows]


@needs_packages
def test_equal_options_give_equal_files(folder, tmp_path):
    assert render(tmp_path / "again", "--count", COUNT).returncode == 0
    assert content(tmp_path / "again") == content(folder)
    assert render(tmp_path / "fewer", "--count", 3).returncode == 0
    assert read_rows(tmp_path / "fewer") == read_rows(folder)[:3]
    assert render(tmp_path / "other", "--count", 3, "--seed", 1).returncode == 0
    assert read_rows(tmp_path / "other") != read_rows(folder)[:3]


@needs_packages
@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "0 folders are named; name one"),
        (["new", "--count", "0"], "--count is 0; it must be an integer from 1 to 100000"),
        (["new", "--size", "large"], "--size is large; it must be an integer from 8 to 1024"),
        (["new", "--colour", "red"], "Unknown option '--colour'"),
        ([PROJECT], "is not empty; name a new folder"),
    ],
    ids=["no folder", "no avatars", "size in words", "unknown option", "folder in use"],
)
def test_mistakes_are_explained(words, message, tmp_path):
    done = subprocess.run(
        [NODE, PROJECT / "render.mjs", *map(str, words)], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 2
    assert message in done.stderr
    assert "    at " not in done.stderr


@pytest.mark.slow
def test_the_preset_trains(backend):
    # With pixels at every step, JAX compiles one step instead of two.
    model = alae.build(alae.load_config("avatars-conv", overrides={"updates.every": 1}))
    runner, before = backend.runner(model), model.weights()
    for step in range(2):
        losses = runner.step(random_images(2, model.config.image, seed=step))
        assert set(losses) == {"discriminator", "generator", "pixels"}
        assert all(np.isfinite(loss) for loss in losses.values())
    after = runner.weights()
    assert {name.split("/")[0] for name in before if not np.array_equal(before[name], after[name])} == set("FGED")
