"""LMDB databases of picture files: valid, damaged, and damaged so that the library crashes."""

import io
import os
import pickle
import signal
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from alae_workbench import DataError
from alae_workbench.data.collection import decode
from alae_workbench.data.formats.lmdb import _describe_end, _open_database
from alae_workbench.data.formats.stamp import stamp_file
from alae_workbench.data.resolve import open_source
from alae_workbench.data.source import read_all
from alae_workbench.data.survey import survey

lmdb = pytest.importorskip("lmdb", reason="the extra [lmdb] is not installed")
RANDOM = np.random.default_rng(0)


def encode_png(size):
    content = io.BytesIO()
    Image.fromarray(RANDOM.integers(0, 256, (size, size, 3), np.uint8)).save(content, "png")
    return content.getvalue()


def write_database(folder, values, **options):
    with lmdb.open(str(folder), map_size=2**24, **options) as environment, environment.begin(write=True) as transaction:
        for key, value in values.items():
            transaction.put(key, value)
    return folder


@pytest.mark.parametrize("count", [1, 3, 2100], ids=["one", "one page of keys", "several answers"])
def test_values_are_pictures_in_the_order_of_their_keys(tmp_path, count):
    # A value from 40 pixels upwards is stored outside the page of its key.
    values = {f"{number * 7919 % 2**20:040x}".encode(): encode_png(8 if number % 2 else 40) for number in range(count)}
    path = write_database(tmp_path / "church_lmdb", values)
    pictures = open_source(str(path))
    keys = sorted(values)
    assert list(pictures.names) == [key.decode() for key in keys]
    assert [file.read() for file in pictures.files] == [values[key] for key in keys]
    member = pictures.files[0]
    assert pickle.loads(pickle.dumps(member)).read() == values[keys[0]]
    assert str(member) == f"{path}: {keys[0].decode()}"
    assert len(open_source(str(path / "data.mdb"))) == count


def test_deleted_and_replaced_values_are_not_listed(tmp_path):
    path = write_database(tmp_path / "x", {b"%03d" % number: encode_png(40) for number in range(60)})
    with lmdb.open(str(path), map_size=2**24) as environment:
        for number in range(0, 60, 3):
            with environment.begin(write=True) as transaction:
                transaction.delete(b"%03d" % number)
                transaction.put(b"%03d" % (number + 1), encode_png(8))
        with environment.begin() as transaction:
            values = [value for _, value in transaction.cursor()]
    assert [file.read() for file in open_source(str(path)).files] == values


def test_pictures_are_decoded_and_errors_name_other_values(tmp_path):
    path = write_database(tmp_path / "x", {b"a": encode_png(8), b"b/../c\xff": b"no image", b"..": encode_png(8)})
    images, faults = decode(open_source(str(path)), (8, 8, 3))
    assert len(images) == 2
    assert images.names == ["2e2e", "a"]
    assert faults[0].startswith(f"{path}: 622f2e2e2f63ff (its content is none of PNG")
    expected = np.asarray(Image.open(io.BytesIO(open_source(str(path)).files[1].read())))
    assert np.array_equal(read_all(images)[1], expected)
    assert survey(str(path)).side == 8


def test_a_database_of_databases_is_refused(tmp_path):
    with lmdb.open(str(tmp_path / "x"), map_size=2**24, max_dbs=2) as environment:
        environment.open_db(b"images")
    with pytest.raises(DataError, match="it holds databases of its own"):
        open_source(str(tmp_path / "x"))


def test_a_value_as_long_as_a_database_record_is_a_picture(tmp_path):
    pictures = open_source(str(write_database(tmp_path / "x", {b"a": b"x" * 48})))
    assert [file.read() for file in pictures.files] == [b"x" * 48]


@pytest.mark.parametrize(
    ("place", "content", "message"),
    [
        (0, None, "it has no content"),
        (4096 * 3, None, "it is truncated: it has 12,288 of "),
        (16, b"\0", "File is not an LMDB file"),
        (20, b"\2", "data format v2|MDB_VERSION_MISMATCH"),
        (40, b"\1", "File is not an LMDB file"),
        (4096 + 128, b"\xf0", "MDB_PAGE_NOTFOUND|crashed on it"),
        (4096 + 120, b"\x09", "its header says 9 values, but it holds 3"),
        (4096 + 120, b"\x02", "its header says 2 values, but it holds more"),
    ],
)
def test_a_damaged_database_is_refused_in_one_line(tmp_path, place, content, message):
    path = write_database(tmp_path / "x", {bytes([65 + number]): encode_png(40) for number in range(3)}) / "data.mdb"
    data = path.read_bytes()
    path.write_bytes(data[:place] if content is None else data[:place] + content + data[place + 1 :])
    with pytest.raises(DataError, match=message) as error:
        open_source(str(tmp_path / "x"))
    assert str(error.value).startswith(f"{path} cannot be read as LMDB: ")
    assert str(error.value).count(str(path)) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not truncate mapped files")
def test_a_crash_of_the_library_is_reported_and_the_next_value_is_read(tmp_path):
    path = write_database(tmp_path / "x", {b"a": encode_png(8), b"b": encode_png(100)}) / "data.mdb"
    database, content = _open_database(stamp_file(path)), path.read_bytes()
    first, last = database.list_keys()
    value = database.read(first)
    for _ in range(4):
        os.truncate(path, 4096 * 3)
        with pytest.raises(ValueError, match=r"it is damaged: the LMDB library crashed on it \(SIGBUS\)|truncated"):
            database.read(last)
    path.write_bytes(content)
    assert database.read(first) == value


def test_reading_stops_after_repeated_crashes_of_the_library(tmp_path, monkeypatch):
    path = write_database(tmp_path / "x", {b"a": encode_png(8)}) / "data.mdb"
    script = tmp_path / "crash.py"
    script.write_text("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n")
    monkeypatch.setattr("alae_workbench.data.formats.lmdb_process.__file__", str(script))
    database = _open_database(stamp_file(path))
    for _ in range(5):
        with pytest.raises(ValueError, match=r"crashed on it \(SIGSEGV\)"):
            database.read(b"a")
    with pytest.raises(ValueError, match="the LMDB library crashed 5 times"):
        database.read(b"a")


def test_the_error_describes_a_process_that_does_not_answer():
    assert _describe_end(SimpleNamespace(returncode=-signal.SIGALRM)) == "gave no answer within 60 s"
    assert _describe_end(SimpleNamespace(returncode=1)) == "ended with code 1"


def test_an_empty_database_is_refused(tmp_path):
    write_database(tmp_path / "x", {})
    with pytest.raises(DataError, match=r"there are no images in .*x: its database is empty"):
        open_source(str(tmp_path / "x"))


def test_the_error_names_a_missing_library(tmp_path, monkeypatch):
    path = write_database(tmp_path / "x", {b"a": encode_png(8)})
    monkeypatch.setitem(sys.modules, "lmdb", None)
    with pytest.raises(DataError, match=r"requires the package lmdb: pip install 'alae\[lmdb\]'"):
        open_source(str(path))
