"""Crop boxes of picture files."""

import numpy as np
import pytest
from PIL import Image

from alae_core import ConfigError, load_config
from alae_workbench.data.crop_box import CropBox, parse_crop_box
from alae_workbench.data.load import load_data, load_images
from alae_workbench.data.options import SourceOptions
from alae_workbench.data.prepared.preparation import plan_preparation
from alae_workbench.data.prepared.reading import open_set
from alae_workbench.data.prepared.writing import write_set
from alae_workbench.data.source import DataError, read_all
from alae_workbench.data.training_data import TrainingData, source_options_of
from alae_workbench.runs.settings import load_experiment

ROWS, COLUMNS = np.arange(218), np.arange(178)


@pytest.fixture
def celeba(tmp_path):
    """Three pictures of the size of CelebA's: red is the row, green the column, blue the number of the picture."""
    for number in range(3):
        rows, columns = np.meshgrid(ROWS, COLUMNS, indexing="ij")
        pixels = np.stack([rows, columns, np.full_like(rows, number)], -1).astype(np.uint8)
        (tmp_path / "celeba").mkdir(exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / "celeba" / f"{number}.png")
    return tmp_path / "celeba"


def require_authors_pixels(images):
    assert images.shape[1:] == (128, 128, 3)
    assert np.array_equal(images[0, :, 5, 0], ROWS[60:188])
    assert np.array_equal(images[0, 7, :, 1], COLUMNS[25:153])


def test_the_preset_celeba_uses_the_authors_part_of_each_picture(celeba):
    experiment = load_experiment("celeba")
    options = source_options_of(experiment.training)
    data = load_data(str(celeba), experiment.config, held_out=1, options=options)
    for images in (read_all(data.train), read_all(data.held_out)):
        require_authors_pixels(images)
    assert data.interpretation == ""


def test_sets_are_prepared_with_a_crop_box_and_remember_it(celeba, tmp_path):
    options = source_options_of(load_experiment("celeba").training)
    write_set(plan_preparation(str(celeba), tmp_path / "set", options=options))
    require_authors_pixels(read_all(open_set(tmp_path / "set").images))
    config = load_config("celeba")
    assert load_data(str(tmp_path / "set"), config, held_out=1, options=options).interpretation == ""
    write_set(plan_preparation(str(celeba), tmp_path / "whole", size=128))
    data = load_data(str(tmp_path / "whole"), config, held_out=1, options=options)
    assert data.interpretation == (
        "whole images, because training.crop_box is for image files: prepare them with --crop-box"
    )
    assert np.ptp(read_all(data.train)[0, :, 5, 0].astype(int)) > 160, "an older set was cropped"


def test_pictures_of_another_size_are_refused_for_training_and_used_whole_for_a_trained_model(celeba, tmp_path):
    other = np.random.default_rng(0).integers(0, 256, (128, 128, 3), np.uint8)
    Image.fromarray(other).save(celeba / "cropped.png")
    config, options = load_config("celeba"), source_options_of(load_experiment("celeba").training)
    found = read_all(load_data(str(celeba), config, held_out=1, options=options).train)
    assert any(np.array_equal(image, other) for image in found), "a picture of the size of the box was cropped again"
    Image.new("RGB", (300, 300)).save(celeba / "large.png")
    with pytest.raises(DataError, match=r"large.png \(it has 300×300 pixels, but the crop box 60:188, 25:153 of"):
        load_data(str(celeba), config, held_out=1, options=options)
    optional = SourceOptions(crop_box=options.crop_box._replace(optional=True))
    images = read_all(load_images(str(celeba), config, options=optional))
    require_authors_pixels(images)
    assert (images[-1] == 0).all()


def test_a_box_applies_after_rotation_by_exif(tmp_path):
    pixels = np.arange(64, dtype=np.uint8).reshape(8, 8)
    exif = Image.Exif()
    exif[0x0112] = 3  # rotated by 180°
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    options = SourceOptions(crop_box=parse_crop_box("0:4, 2:6"))
    found = read_all(
        load_images(str(tmp_path / "a.png"), load_config("digits-mlp", {"image": [4, 4, 1]}), options=options)
    )
    assert np.array_equal(found[0, ..., 0], pixels[::-1, ::-1][0:4, 2:6])


@pytest.mark.parametrize(
    ("text", "box"),
    [
        ("60:188, 25:153 of 218x178", CropBox(60, 188, 25, 153, (218, 178))),
        (" 0:4,1:9 ", CropBox(0, 4, 1, 9)),
    ],
)
def test_boxes_are_parsed_and_formatted(text, box):
    assert parse_crop_box(text) == box == parse_crop_box(str(box))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("60:188", "is not rows and columns such as"),
        ("4:4, 0:1", "is empty"),
        ("9:4, 0:1", "is empty"),
        ("0:188, 25:153 of 178x218", "lies outside of pictures of 178 rows and 218 columns"),
    ],
)
def test_errors_explain_texts_that_are_no_box(text, message):
    with pytest.raises(ValueError, match=message):
        parse_crop_box(text)
    with pytest.raises(ConfigError, match=f"training.crop_box: .*{message}"):
        load_experiment("celeba", {"training.crop_box": text})


def test_early_checkpoints_have_no_box():
    assert TrainingData.model_validate({}).crop_box is None
