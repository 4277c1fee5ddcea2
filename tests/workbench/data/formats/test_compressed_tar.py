"""Tar archives compressed by gzip."""

import gzip
import io
import tarfile

import numpy as np
import pytest
from PIL import Image

from alae_workbench.data.collection import decode
from alae_workbench.data.resolve import open_source
from alae_workbench.data.source import DataError, read_all
from tests.helpers.data import random_pixels

PIXELS = random_pixels(4, 8)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ALAE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def write(path, numbers=range(4)):
    with tarfile.open(path, "w:gz") as archive:
        for number in numbers:
            content = io.BytesIO()
            Image.fromarray(PIXELS[number]).save(content, "png")
            info = tarfile.TarInfo(f"top/{'ab'[number % 2]}/{number}.png")
            info.size = len(content.getvalue())
            archive.addfile(info, io.BytesIO(content.getvalue()))
    return path


@pytest.mark.parametrize("ending", [".tar.gz", ".tgz"])
def test_images_and_classes_are_read(tmp_path, cache, ending):
    path = write(tmp_path / f"faces{ending}")
    found = open_source(str(path))
    images, faults = decode(found, (8, 8, 3))
    assert (faults, found.label_names, found.labels.tolist()) == ([], ("a", "b"), [0, 0, 1, 1])
    assert np.array_equal(read_all(images), PIXELS[[0, 2, 1, 3]])
    assert list(found.stored) == [path], "a set would not notice that the archive changed"
    assert str(found.files[0]) == f"{path}: top/a/0.png"
    (unpacked,) = (cache / "unpacked").iterdir()
    before = unpacked.stat().st_mtime_ns
    open_source(str(path))
    assert unpacked.stat().st_mtime_ns == before, "it was unpacked again"


def test_a_changed_archive_is_unpacked_again(tmp_path):
    assert len(open_source(str(write(tmp_path / "a.tgz"))).files) == 4
    assert len(open_source(str(write(tmp_path / "a.tgz", [0]))).files) == 1


def test_a_folder_may_hold_several(tmp_path):
    for number in range(4):
        write(tmp_path / f"shard-{number}.tar.gz", [number])
    assert len(open_source(str(tmp_path)).files) == 4


def test_damaged_and_oversized_archives_are_refused_and_leave_nothing(tmp_path, cache, monkeypatch):
    path = write(tmp_path / "a.tgz")
    content = path.read_bytes()
    for spoilt, message in ((content[:-20], "cannot be unpacked into the cache"), (b"no gzip", "Not a gzipped file")):
        path.write_bytes(spoilt)
        with pytest.raises(DataError, match=message):
            open_source(str(path))
    path.write_bytes(content)
    monkeypatch.setattr("alae_workbench.data.formats.arrays._MOST_BYTES", 2**10)
    monkeypatch.setattr("alae_workbench.data.formats.arrays._MOST_TIMES", 1)
    with pytest.raises(DataError, match=r"claims to unpack to .*; at most"):
        open_source(str(path))
    assert not list((cache / "unpacked").iterdir())


def test_archives_in_a_folder_may_be_splits_and_a_table_may_lie_beside_an_archive(tmp_path):
    (tmp_path / "splits").mkdir()
    for name, numbers in (("train", [0, 1, 3]), ("test", [2])):
        write(tmp_path / "splits" / f"{name}.tar.gz", numbers)
    found = open_source(str(tmp_path / "splits"))
    assert (len(found.files), len(found.test.files)) == (3, 1)
    path = write(tmp_path / "faces.tar.gz")
    (tmp_path / "faces_labels.csv").write_text("file,class\n" + "".join(f"{i}.png,{i % 3}\n" for i in range(4)))
    assert open_source(str(path)).label_text == "3 classes from faces_labels.csv"


def test_errors_name_the_ending_of_the_archive(tmp_path):
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(b"no tar" * 200))
    with pytest.raises(DataError, match=r"a\.tar\.gz cannot be read as a tar\.gz: it is not a tar"):
        open_source(str(tmp_path / "a.tar.gz"))
