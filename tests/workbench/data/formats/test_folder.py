"""Folders of picture files."""

import os
import shutil

import numpy as np
import pytest
from PIL import Image

from alae_workbench.data.listing import describe_skipped
from alae_workbench.data.load import load_data, load_images
from alae_workbench.data.resolve import open_source
from alae_workbench.data.source import DataError, read_all
from tests.helpers.data import (
    load_for_training,
    make_config,
    random_pixels,
    write_photos,
)
from tests.helpers.requirements import FACES, REPORTS, needs_faces, needs_reports


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


def test_pictures_are_found_at_any_depth_and_hidden_files_and_loops_of_links_are_skipped(tmp_path, monkeypatch):
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


def write_links(folder):
    """Write a folder of links as its tools leave it: to files, to a folder elsewhere, to nothing, and to itself."""
    for number in range(6):
        path = folder / "elsewhere" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8), number).save(path)
    for kind in ("data", "classes"):
        (folder / kind).mkdir()
    for number in range(3):
        (folder / "data" / f"l{number}.png").symlink_to(f"../elsewhere/{number}.png")
    (folder / "data" / "linked").symlink_to("../elsewhere")
    (folder / "data" / "dangling.png").symlink_to("../nowhere.png")
    (folder / "data" / "loop").symlink_to(".")
    (folder / "data" / "self.png").symlink_to("self.png")
    for name in "ab":
        (folder / "classes" / name).symlink_to("../elsewhere")


def test_links_are_followed_and_skipped_ones_are_counted(tmp_path):
    write_links(tmp_path)
    found = open_source(str(tmp_path / "data"))
    assert list(found.names) == ["l0.png", "l1.png", "l2.png", *(f"linked/{number}.png" for number in range(6))]
    pixels = read_all(load_images(str(tmp_path / "data"), make_config()))
    assert pixels[:, 0, 0, 0].tolist() == [0, 1, 2, 0, 1, 2, 3, 4, 5]
    skipped = "3 files skipped: 2 .png (broken links); 1 without ending (links to a folder that holds them)"
    assert describe_skipped(found.skipped) == skipped
    found = open_source(str(tmp_path / "classes"))
    assert (found.labels.tolist(), found.label_names) == ([0] * 6 + [1] * 6, ("a", "b"))


def test_links_among_folders_end(tmp_path):
    """Two links in each of ten folders to the next give a thousand paths; nested links are not followed for ever."""
    for number in range(10):
        (tmp_path / str(number)).mkdir()
        Image.new("L", (8, 8)).save(tmp_path / str(number) / "x.png")
        for name in "ab":
            (tmp_path / str(number) / name).symlink_to(f"../{(number + 1) % 10}")
    found = open_source(str(tmp_path / "0"))
    assert len(found) == 1 + 2 + 4 + 8 + 16
    assert describe_skipped(found.skipped) == "32 files skipped: 32 without ending (too many links to folders)"


def test_files_are_recognised_by_ending_or_else_by_content(tmp_path):
    """As phones and browsers leave them."""
    image = Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8))
    lossless = {"0.png": "png", "1.PNG": "png", "2": "png", "3.pgm": "ppm", "4.bmp_large": "bmp", "5.image": "tiff"}
    lossless |= {"6.tga": "tga", "7.qoi": "qoi", "8.img": "gif"}
    for name, kind in lossless.items():
        (image.convert("RGB") if kind == "qoi" else image).save(tmp_path / name, kind)
    for name in ("a.jfif", "b", "c.jpg_large"):
        image.save(tmp_path / name, "jpeg", quality=95)
    for name in ("notes", "x.unknown", "page.html", "song.mp3", ".hidden", "Thumbs.db"):
        (tmp_path / name).write_text("no picture")
    found = open_source(str(tmp_path))
    assert list(found.names) == sorted([*lossless, "a.jfif", "b", "c.jpg_large"])
    hidden = "1 .db, 1 without ending (hidden)"
    images = "1 .html, 1 .mp3, 1 .unknown, 1 without ending (not images)"
    assert describe_skipped(found.skipped) == f"6 files skipped: {hidden}; {images}"
    pixels = read_all(load_images(str(tmp_path), make_config()))[..., 0]
    for name, read in zip(found.names, pixels, strict=True):
        assert np.abs(read.astype(int) - np.asarray(image)).max() <= (0 if name in lossless else 3), name


def test_leftovers_of_network_drives_and_systems_are_hidden(tmp_path):
    image = Image.new("L", (8, 8))
    for name in ("a/0.png", "b/0.png", "@eaDir/0.png", "a/@eaDir/0.png/x.jpg", "#recycle/0.png", "$RECYCLE.BIN/0.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        image.save(tmp_path / name)
    for name in ("lost+found/0.png", "System Volume Information/0.png", "__pycache__/0.png"):
        (tmp_path / name).parent.mkdir()
        image.save(tmp_path / name)
    found = open_source(str(tmp_path))
    assert (list(found.names), found.label_names) == (["a/0.png", "b/0.png"], ("a", "b"))


def test_unfinished_downloads_and_backup_copies_are_counted(tmp_path):
    Image.new("L", (8, 8)).save(tmp_path / "0.png")
    for name in ("1.png.part", "2.crdownload", "0.png~"):
        (tmp_path / name).write_bytes((tmp_path / "0.png").read_bytes()[:50])
    found = open_source(str(tmp_path))
    reason = "1 .part, 1 .png~, 1 with other endings (unfinished downloads and backup copies)"
    assert (list(found.names), describe_skipped(found.skipped)) == (["0.png"], f"3 files skipped: {reason}")


def test_photos_of_phones_need_a_package(tmp_path, monkeypatch):
    monkeypatch.setattr("alae_workbench.data.picture_formats.find_spec", lambda name: None)
    Image.new("L", (8, 8)).save(tmp_path / "0.png")
    (tmp_path / "1.heic").write_bytes(b"x")
    (tmp_path / "2").write_bytes(b"\0\0\0\x18ftypheic")
    found = open_source(str(tmp_path))
    reason = "they need pip install 'alae[heif]'"
    assert describe_skipped(found.skipped) == f"2 files skipped: 1 .heic, 1 without ending ({reason})"


def test_photos_of_phones_are_read_with_the_package(tmp_path):
    pytest.importorskip("pillow_heif", reason="the extra [heif] is not installed").register_heif_opener()
    image = Image.fromarray(random_pixels(1, 64)[0]).resize((8, 8)).resize((64, 64))
    image.save(tmp_path / "0.heic", quality=95)
    (tmp_path / "0.heic").rename(tmp_path / "0")
    found = read_all(load_images(str(tmp_path), make_config(image=[64, 64, 3])))[0]
    assert np.abs(found.astype(int) - np.asarray(image)).mean() < 4


def test_a_folder_without_pictures_says_what_it_holds(tmp_path):
    with pytest.raises(DataError, match=r"there are no images in .*; it is empty"):
        open_source(str(tmp_path))
    for name in ("a.txt", "b.txt", "c.mp4"):
        (tmp_path / name).write_text("x")
    with pytest.raises(DataError, match=r"3 files skipped: 2 .txt, 1 .mp4 \(not images\)"):
        open_source(str(tmp_path))
    (tmp_path / "train.npz").write_text("x")
    (tmp_path / "more").mkdir()
    with pytest.raises(DataError, match=r"1 .npz \(not images\); give one of the .npz files"):
        open_source(str(tmp_path))


@needs_reports
def test_links_of_the_reports(tmp_path):
    """Version control stores links as files with their targets."""
    shutil.copytree(REPORTS / "links", tmp_path / "links")
    for path in [*(tmp_path / "links" / "data").iterdir(), *(tmp_path / "links" / "classes").iterdir()]:
        if not path.is_symlink():
            target = path.read_text()
            path.unlink()
            path.symlink_to(target)
    found = open_source(str(tmp_path / "links" / "data"))
    assert (len(found), describe_skipped(found.skipped)) == (9, "1 file skipped: 1 .png (broken links)")
    assert open_source(str(tmp_path / "links" / "classes")).label_text == "2 classes from folders"
