"""Folders of picture files."""

import os

import pytest

from alae_workbench.data.load import load_data, load_images
from alae_workbench.data.source import DataError, read_all
from tests.helpers.data import (
    load_for_training,
    make_config,
    write_photos,
)
from tests.helpers.requirements import FACES, needs_faces


@needs_faces
def test_real_faces_are_read():
    data = load_data(str(FACES), make_config(image=[32, 32, 3]), held_out=10)
    assert (len(data.train), data.train.shape) == (136, (32, 32, 3))


def test_pictures_are_cropped_resized_and_labelled_by_subfolder(tmp_path):
    write_photos(tmp_path)
    source = load_images(str(tmp_path), make_config(image=[8, 8, 3]))
    assert source.labels.tolist() == [0, 0, 0, 1, 1]
    # After cropping about the centre, the left half is still dark and the right half bright.
    pixels = read_all(source)
    assert pixels.shape == (5, 8, 8, 3)
    assert pixels[:, :, :3].max() < 60
    assert pixels[:, :, 5:].min() > 200
    assert read_all(load_images(str(tmp_path), make_config())).shape == (5, 8, 8, 1)


def test_pictures_are_found_at_any_depth_and_hidden_files_and_links_to_folders_are_skipped(tmp_path, monkeypatch):
    folder = tmp_path / "photos"
    write_photos(folder)
    for hidden in ("._0.png", ".previews/0.png", "a/.png"):
        (folder / hidden).parent.mkdir(exist_ok=True)
        (folder / hidden).write_text("no image")
    (folder / "a" / "up").symlink_to("..")
    (folder / "elsewhere").symlink_to(tmp_path)
    # Deeper than Python's recursion limit.
    depth = 1200
    monkeypatch.chdir(folder)
    for _ in range(depth):
        os.mkdir("d")
        os.chdir("d")
    (folder / "a" / "0.png").rename("0.png")
    try:
        assert len(load_images(str(folder), make_config())) == 5
    finally:
        # pytest cannot remove folders this deep.
        os.remove("0.png")
        for _ in range(depth):
            os.chdir("..")
            os.rmdir("d")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root can read every folder")
def test_the_error_names_an_unreadable_folder(tmp_path):
    write_photos(tmp_path)
    (tmp_path / "b").chmod(0)
    with pytest.raises(DataError, match="b cannot be read: Permission denied"):
        load_for_training(tmp_path)
    (tmp_path / "b").chmod(0o700)
