"""An LMDB of image files as its own library writes it is read without that; and what is refused of damaged ones."""

import io
import pickle

import numpy as np
import pytest
from PIL import Image

from alae_workbench import DataError
from alae_workbench.data.collection import decode
from alae_workbench.data.resolve import open_source
from alae_workbench.data.source import read_all
from alae_workbench.data.survey import survey

lmdb = pytest.importorskip("lmdb", reason="lmdb is not here to write a data base")
DRAW = np.random.default_rng(0)


def png(size):
    content = io.BytesIO()
    Image.fromarray(DRAW.integers(0, 256, (size, size, 3), np.uint8)).save(content, "png")
    return content.getvalue()


def written(folder, values, **options):
    with lmdb.open(str(folder), map_size=2**24, **options) as environment, environment.begin(write=True) as change:
        for key, value in values.items():
            change.put(key, value)
    return folder


def read(path):
    images, bad = decode(open_source(str(path)), (8, 8, 3))
    return images, bad


@pytest.mark.parametrize("count", [1, 3, 700], ids=["one", "one page of keys", "branches"])
def test_values_are_images_in_the_order_of_their_keys(tmp_path, count):
    # Of 40 pixels and more a value is longer than a page takes in.
    values = {f"{number * 7919 % 2**20:040x}".encode(): png(8 if number % 2 else 40) for number in range(count)}
    path = written(tmp_path / "church_lmdb", values)
    found = open_source(str(path))
    with lmdb.open(str(path), readonly=True, lock=False) as environment, environment.begin() as look:
        there = list(look.cursor())
    assert list(found.names) == [key.decode() for key, _ in there]
    assert [file.read() for file in found.files] == [value for _, value in there]
    member = found.files[0]
    assert pickle.loads(pickle.dumps(member)).read() == there[0][1]
    assert str(member) == f"{path}: {there[0][0].decode()}"
    assert len(open_source(str(path / "data.mdb"))) == count


def test_what_was_deleted_and_changed_is_not_there(tmp_path):
    path = written(tmp_path / "x", {b"%03d" % number: png(40) for number in range(60)})
    with lmdb.open(str(path), map_size=2**24) as environment:
        for number in range(0, 60, 3):
            with environment.begin(write=True) as change:
                change.delete(b"%03d" % number)
                change.put(b"%03d" % (number + 1), png(8))
        with environment.begin() as look:
            there = list(look.cursor())
    found = open_source(str(path))
    assert [file.read() for file in found.files] == [value for _, value in there]


def test_images_are_read_and_what_is_none_is_named(tmp_path):
    path = written(tmp_path / "x", {b"a": png(8), b"b/../c\xff": b"no image", b"..": png(8)})
    images, bad = read(path)
    assert len(images) == 2
    assert images.names == ["2e2e", "a"]
    assert bad[0].startswith(f"{path}: 622f2e2e2f63ff (its content is none of PNG")
    assert np.array_equal(
        read_all(images)[1], np.asarray(Image.open(io.BytesIO(open_source(str(path)).files[1].read())))
    )
    assert survey(str(path)).side == 8


def test_a_base_with_bases_of_its_own_is_refused(tmp_path):
    with lmdb.open(str(tmp_path / "x"), map_size=2**24, max_dbs=2) as environment:
        environment.open_db(b"images")
    with pytest.raises(DataError, match="it holds databases of its own"):
        open_source(str(tmp_path / "x"))


@pytest.mark.parametrize(
    ("place", "content", "message"),
    [
        (0, None, "it is truncated: it ends within its headers"),
        (4096 * 3, None, "it is cut short: it has 12,288 bytes of"),
        (16, b"\0", "it does not begin as one written on a machine of 64 bits and little-endian order"),
        (20, b"\2", "it is of version 2, and version 1 is read"),
        (40, b"\1", "it says that its pages have 4,097 bytes"),
        (4096 + 128, b"\xf0", "it refers to page 240, and its last is"),
        (4096 + 120, b"\x09", "it says that it holds 9 values, but 3 are there"),
    ],
)
def test_a_damaged_base_is_a_line(tmp_path, place, content, message):
    path = written(tmp_path / "x", {bytes([65 + number]): png(40) for number in range(3)}) / "data.mdb"
    data = path.read_bytes()
    path.write_bytes(data[:place] if content is None else data[:place] + content + data[place + 1 :])
    with pytest.raises(DataError, match=message):
        open_source(str(tmp_path / "x"))


def test_an_empty_base_is_a_line(tmp_path):
    written(tmp_path / "x", {})
    with pytest.raises(DataError, match=r"there are no images in .*x: its database is empty"):
        open_source(str(tmp_path / "x"))
