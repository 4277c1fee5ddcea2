"""`alae data prepare` and `inspect`, from a folder to a run that is trained on it."""

import numpy as np
import pytest
from PIL import Image

from alae_workbench.data.load import load_data
from alae_workbench.data.resolve import open_source
from alae_workbench.data.source import read_all
from tests.cli.conftest import BACKEND
from tests.helpers.data import make_config


@pytest.fixture
def photos(tmp_path):
    """A folder of twelve grey images of 8×9 pixels in two classes."""
    draw = np.random.default_rng(0)
    for number in range(12):
        path = tmp_path / "photos" / ("cats", "dogs")[number % 2] / f"{number:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw.integers(0, 256, (9, 8), np.uint8)).save(path)
    return tmp_path / "photos"


@pytest.mark.usefixtures("photos")
def test_a_folder_is_prepared_inspected_and_trained_on(run_alae, tmp_path):
    code, out, err = run_alae("data", "prepare", "photos", "set", "--workers", "1")
    assert (code, err) == (0, "")
    assert "photos: 12 images, of 8×8×1, and at 4 pixels a side for networks that grow" in out
    assert "size 8: the largest power of two up to the median shorter side of 8; each image is cropped" in out
    assert "set will take at most 0.5 MB" in out
    assert "prepared 12 images\ntrain    alae train --data set\n" in out
    code, out, err = run_alae("data", "inspect", "set")
    assert (code, err) == (0, "")
    assert "set: prepared by alae" in out
    assert "2 classes: cats: 6, dogs: 6" in out
    with Image.open(tmp_path / "set-contact.png") as sheet:
        assert sheet.width > 300
    code, out, err = run_alae(
        "train", "--data", "set", "--preset", "digits-mlp", "--steps", "3", "--backend", BACKEND,
        "--set", "training.held_out=4", "--set", "batch_size=4", "--out", "run",
    )  # fmt: skip
    assert (code, err) == (0, "")
    assert "run: training on set, 8 images" in out
    code, out, err = run_alae("encode", "run", "set", "--backend", BACKEND)
    assert (code, err) == (0, "")
    assert (tmp_path / "w.txt").read_text().splitlines()[:2] == ["cats/00.png", "cats/02.png"]


def test_a_folder_is_inspected(run_alae, photos):
    (photos / "cats" / "torn.png").write_bytes(b"torn")
    Image.new("RGB", (40, 30)).save(photos / "dogs" / "wide.png")
    code, out, err = run_alae("data", "inspect", "photos", "--out", "sheet.png")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "photos: 13 images, 1 in colour, the others grey",
        "2 sizes, most often 8×9 (12); shorter sides from 8 to 30 pixels, median 8",
        "labels: 2 classes from folders",
        "2 classes: cats: 7, dogs: 7",
        "1 more cannot be read: cats/torn.png",
        "sheet: sheet.png",
    ]


def test_nearly_black_pictures_and_columns_of_images_are_reported(run_alae, tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [[Image.fromarray(np.full((8, 8), start + i, np.uint8)) for i in range(3)] for start in (0, 100)]
    (tmp_path / "dark").mkdir()
    for i, image in enumerate(rows[0]):
        image.save(tmp_path / "dark" / f"{i}.png")
    code, out, err = run_alae("data", "inspect", "dark")
    assert code == 0, err
    assert "read as numbers in 0 … 255, of which they use only 0 … 2: if white is another value" in out
    cells = [[(tmp_path / "dark" / f"{i}.png").read_bytes() for i in order] for order in ((0, 1, 2), (2, 2, 2))]
    pq.write_table(pa.table({"image": cells[0], "mask": cells[1], "label": [0, None, 1]}), tmp_path / "two.parquet")
    assert "images from column 'image', not 'mask'" in run_alae("data", "inspect", "two.parquet")[1]
    code, out, err = run_alae("data", "prepare", "two.parquet", "set", "--images-from", "mask", "--size", "8")
    assert code == 0, err
    data = load_data(str(tmp_path / "set"), make_config(), held_out=1)
    assert (read_all(data.train) == 2).all()
    assert repr(open_source(str(tmp_path / "set")).images) == "<3 images of 8×8×1, 2 classes>"


@pytest.mark.usefixtures("photos")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["prepare", "nowhere", "set"], "there is no data 'nowhere'"),
        (["prepare", "photos", "photos"], "photos is not empty; choose a new directory"),
        (["prepare", "photos", "set", "--size", "3"], "--size is 3; images are prepared at 4 to 4,096 pixels"),
        (["inspect", "nowhere"], "there is no data 'nowhere'"),
        (["inspect", "photos", "--out", "sheet.jpg"], "--out is sheet.jpg; it must end in .png"),
        (["inspect", "photos", "--out", "no/folder/sheet.png"], "no/folder/sheet.png"),
    ],
)
def test_mistakes_are_refused_in_one_line(assert_refused, words, message):
    assert_refused(["data", *words], message)
