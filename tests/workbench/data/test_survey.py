"""Surveys of picture files: number, size and channels from headers."""

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from alae_workbench import DataError
from alae_workbench.data import survey as survey_module
from alae_workbench.data.picture_file import read_header
from alae_workbench.data.survey import survey
from alae_workbench.runs.proposal import propose


def write_pictures(folder, sizes, mode="RGB"):
    for number, size in enumerate(sizes):
        Image.new(mode, size).save(folder / f"{number:03d}.png")


def test_the_side_is_the_median_of_the_shorter_sides(tmp_path):
    write_pictures(tmp_path, [(9, 30), (20, 10), (64, 70)])
    found = survey(str(tmp_path))
    assert (found.count, found.side, found.channels, found.fixed) == (3, 10, 3, None)
    assert found.path == str(tmp_path)


def test_sides_are_those_after_rotation_by_exif(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    for ending in ("png", "tif"):
        Image.new("RGB", (9, 30)).save(tmp_path / f"0.{ending}", exif=exif)
        header = read_header(tmp_path / f"0.{ending}")
        assert (header.width, header.height) == (30, 9), ending


def test_headers_are_read_without_decoding_pixels(tmp_path, monkeypatch):
    write_pictures(tmp_path, [(9, 30)])
    monkeypatch.setattr(PngImageFile, "load", lambda self: pytest.fail("the pixels were decoded"))
    assert read_header(tmp_path / "000.png") == (9, 30, True)


def test_grey_pictures_have_one_channel(tmp_path):
    write_pictures(tmp_path, [(8, 8), (8, 8)], "L")
    assert survey(str(tmp_path)).channels == 1


def test_unreadable_pictures_are_not_counted_and_a_sample_of_headers_is_read(tmp_path, monkeypatch):
    write_pictures(tmp_path, [(8, 8)] * 6)
    (tmp_path / "000.png").write_bytes(b"torn")
    assert survey(str(tmp_path)).count == 5
    monkeypatch.setattr(survey_module, "_MOST_HEADERS", 3)
    assert survey(str(tmp_path)).count == 6


def test_a_source_without_readable_pictures_is_refused(tmp_path):
    (tmp_path / "a.png").write_bytes(b"torn")
    with pytest.raises(DataError, match=r"none of the 1 images in .* can be read: .*a.png \(its content is"):
        survey(str(tmp_path))


def test_arrays_have_a_fixed_size(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((4, 7, 9, 3), np.uint8))
    found = survey(str(tmp_path / "a.npy"))
    assert (found.count, found.side, found.channels, found.fixed) == (4, 7, 3, (7, 9))


def test_images_of_a_held_out_split_are_counted(tmp_path):
    for place in ("train/a/0.png", "train/b/1.png", "val/a/2.png"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8)).save(tmp_path / place)
    seen = survey(str(tmp_path))
    assert (seen.count, seen.held_out) == (2, 1)
    assert "1 of 3 images held out, to measure with" in [reason.text for reason in propose(seen).reasons]
