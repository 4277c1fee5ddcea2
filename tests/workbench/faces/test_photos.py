"""Aligning photos: which faces are cropped, the names and sizes of the files, and one line about each photo."""

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from alae_workbench.data.source import DataError
from alae_workbench.faces.photos import align_photos, plan_outputs, read_aligned_faces
from tests.conftest import tiny_config
from tests.workbench.faces.helpers import FakeFinder


def write_photo(path, faces=1, width=256, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("RGB", (width, width))
    image.putpixel((0, 0), (faces, 0, 0))
    image.save(path, **options)


def align(tmp_path, all_faces=False, **options):
    """Align the photos in `photos`; return the counts, the lines printed, and the size of each file in `out`."""
    lines = []
    outputs = plan_outputs(str(tmp_path / "photos"), tmp_path / "out", all_faces=all_faces)
    counts = align_photos(FakeFinder(), outputs, all_faces=all_faces, tell=lines.append, **options)
    sizes = {}
    for file in sorted((tmp_path / "out").rglob("*.png")):
        with Image.open(file) as image:
            sizes[str(file.relative_to(tmp_path / "out"))] = image.size
    return counts, lines, sizes


def test_largest_face_of_each_photo_is_cropped_and_other_photos_are_reported(tmp_path):
    write_photo(tmp_path / "photos" / "one.png")
    write_photo(tmp_path / "photos" / "deep" / "er" / "three.png", faces=3)
    write_photo(tmp_path / "photos" / "none.png", faces=0)
    write_photo(tmp_path / "photos" / "small.png", width=100)
    (tmp_path / "photos" / "bad.jpg").write_bytes(b"no photo")
    counts, lines, sizes = align(tmp_path)
    assert str(counts) == "3 faces in 5 photos; 1 without a face; 1 unreadable"
    # The square is 128 pixels wide, and 50 pixels in the small photo.
    assert sizes == {"one.png": (128, 128), "deep/er/three.png": (128, 128), "small.png": (64, 64)}
    told = {line.partition(": ")[0].rpartition("/")[2].partition(" ")[0]: line.partition(": ")[2] for line in lines}
    assert told["one.png"] == "1 face: 128×128"
    assert told["three.png"] == "3 faces, used the largest: 128×128"
    assert told["none.png"] == "no face found"
    assert told["small.png"] == "1 face: 64×64; enlarged from 50 pixels"
    assert "skipped" in told["bad.jpg"]


def test_all_faces_are_numbered_and_have_the_requested_size(tmp_path):
    write_photo(tmp_path / "photos" / "a.png", faces=2)
    _, lines, sizes = align(tmp_path, all_faces=True, size=200)
    assert sizes == {"a-1.png": (200, 200), "a-2.png": (200, 200)}
    assert lines[0].endswith("2 faces, used all: 200×200; enlarged from 128, 128 pixels")


def test_photos_that_differ_only_in_their_ending_keep_it(tmp_path):
    for name in ("a.png", "a.bmp", "b.bmp"):
        write_photo(tmp_path / "photos" / name)
    assert set(align(tmp_path)[2]) == {"a.png.png", "a.bmp.png", "b.png"}


def test_photos_are_rotated_according_to_exif(tmp_path):
    path, pixels = tmp_path / "photo.png", np.zeros((256, 256, 3), np.uint8)
    pixels[0, :, 1] = 255
    pixels[..., 0] = 1
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    Image.fromarray(pixels).save(path, exif=exif)
    seen = []

    def find_faces(photo):
        seen.append(np.asarray(photo))
        return FakeFinder().find_faces(photo)

    align_photos(SimpleNamespace(find_faces=find_faces), plan_outputs(str(path), tmp_path / "x.png"), tell=[].append)
    np.testing.assert_array_equal(seen[0], pixels[::-1])


def test_photos_without_a_face_are_refused(tmp_path):
    write_photo(tmp_path / "photos" / "none.png", faces=0)
    with pytest.raises(DataError, match="no face was found: 0 faces in 1 photo; 1 without a face"):
        align(tmp_path)
    assert not (tmp_path / "out").exists()


def test_unusable_outputs_are_refused_before_any_photo_is_read(tmp_path):
    write_photo(tmp_path / "photos" / "a.png")
    source = str(tmp_path / "photos")
    for out, problem in [
        ("x.png", "must be a directory"),
        ("photos/faces", "is inside"),
        ("photos/a.jpg", "is inside"),
    ]:
        with pytest.raises(DataError, match=problem):
            plan_outputs(source, tmp_path / out)
    with pytest.raises(DataError, match="is not empty"):
        plan_outputs(f"{source}/a.png", tmp_path / "photos")
    with pytest.raises(DataError, match="must be a directory"):
        plan_outputs(f"{source}/a.png", tmp_path / "x.png", all_faces=True)
    for missing in ("", "nowhere", __file__):
        with pytest.raises(DataError):
            plan_outputs(missing, tmp_path / "out")


def test_aligned_faces_have_the_size_and_channels_of_the_model(tmp_path):
    for number in range(3):
        write_photo(tmp_path / "photos" / f"{number}.png", faces=number)
    photos, config = str(tmp_path / "photos"), tiny_config(image=[12, 12, 1])
    read = partial(read_aligned_faces, FakeFinder(), photos, crop="ffhq", tell=[].append)
    assert read(config, margin=2, limit=5).shape == (2, 8, 8, 1)
    assert read(config, margin=0, limit=1).shape == (1, 12, 12, 1)
    with pytest.raises(DataError, match="faces are cropped to squares of 1 or 3 channels"):
        read(tiny_config(), margin=0, limit=1)
