"""Picture files in archives: valid archives, other members, and damage."""

import io
import shutil
import tarfile
import zipfile

import numpy as np
import pytest
from PIL import Image

from alae_workbench import DataError
from alae_workbench.data.collection import DecodedOnRequest, decode
from alae_workbench.data.listing import describe_skipped
from alae_workbench.data.resolve import open_source
from alae_workbench.data.source import read_all
from alae_workbench.data.survey import survey

SHAPE = (8, 8, 3)


@pytest.fixture
def folder(tmp_path):
    """A folder of six images in two classes."""
    draw = np.random.default_rng(0)
    for number in range(6):
        path = tmp_path / "photos" / ("cats", "dogs")[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw.integers(0, 256, (9, 8, 3), np.uint8)).save(path)
    return tmp_path / "photos"


def encode_png():
    content = io.BytesIO()
    Image.new("RGB", (8, 8)).save(content, "png")
    return content.getvalue()


@pytest.mark.parametrize("kind", ["zip", "tar"])
@pytest.mark.parametrize("most", [2**30, 100], ids=["kept", "on demand"])
def test_an_archive_reads_like_the_folder_it_was_made_from(folder, tmp_path, monkeypatch, kind, most):
    monkeypatch.setattr("alae_workbench.data.collection._KEPT_BYTES", most)
    archive = shutil.make_archive(str(tmp_path / "photos"), kind, folder)
    there, _ = decode(open_source(str(folder)), SHAPE)
    found, faults = decode(open_source(str(tmp_path / f"photos.{kind}")), SHAPE)
    assert isinstance(found, DecodedOnRequest) == (most == 100)
    assert faults == []
    assert found.labels.tolist() == there.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert found.fingerprint == there.fingerprint
    assert np.array_equal(read_all(found), read_all(there))
    seen = survey(archive)
    assert (seen.count, seen.side, seen.channels) == (6, 8, 3)


def test_other_members_of_a_zip_are_skipped_and_names_cannot_leave_it(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name in ("../../out.png", "/root.png", "b/../../c.png"):
            archive.writestr(name, encode_png())
        for name in ("__MACOSX/._0.png", ".hidden/0.png", "notes.txt"):
            archive.writestr(name, b"no image")
    before = sorted(tmp_path.rglob("*"))
    assert [str(member.place) for member in open_source(str(tmp_path / "a.zip")).files] == [
        "b/c.png",
        "out.png",
        "root.png",
    ]
    images, faults = decode(open_source(str(tmp_path / "a.zip")), SHAPE)
    assert (len(images), faults, sorted(tmp_path.rglob("*"))) == (3, [], before)


def test_links_and_devices_in_a_tar_are_skipped(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name, kind in (("l.png", tarfile.SYMTYPE), ("h.png", tarfile.LNKTYPE), ("d.png", tarfile.CHRTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
        info = tarfile.TarInfo("0.png")
        info.size = len(encode_png())
        archive.addfile(info, io.BytesIO(encode_png()))
    assert [str(member.place) for member in open_source(str(tmp_path / "a.tar")).files] == ["0.png"]


def write_zip(path, content=None, **changes):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("0.png", encode_png() if content is None else content)
    data = bytearray(path.read_bytes())
    for offset, value in changes.items():
        data[int(offset[1:])] = value
    path.write_bytes(data)


def write_encrypted_zip(path):
    write_zip(path)
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\1\2") + 8] |= 1
    path.write_bytes(data)


def write_zip_bomb(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("0.png", "w") as member:
        for _ in range(2**9 + 1):
            member.write(bytes(2**20))


def write_lzma_zip(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("0.png", encode_png())


def write_tar_with_false_size(path):
    with tarfile.open(path, "w") as archive:
        info = tarfile.TarInfo("0.png")
        archive.addfile(info)
        info.size = 10**6
    path.write_bytes(info.tobuf() + bytes(1024))


def write_compressed_tar(path):
    with tarfile.open(path, "w:gz") as archive:
        info = tarfile.TarInfo("0.png")
        archive.addfile(info)


@pytest.mark.parametrize(
    ("name", "write", "message"),
    [
        ("a.zip", write_encrypted_zip, "a.zip cannot be read as a zip: '0.png' is encrypted"),
        ("a.zip", write_zip_bomb, r"'0.png' has 537,919,488 bytes; a picture file may have at most 536,870,912"),
        ("a.zip", write_lzma_zip, "'0.png' is neither stored nor deflated"),
        ("a.tar", write_tar_with_false_size, "'0.png' is said to take 1,000,000 bytes, but the archive has 1,536"),
        ("a.zip", lambda path: path.write_bytes(b"PK no zip"), "a.zip cannot be read as a zip: File is not a zip file"),
        ("a.zip", lambda path: zipfile.ZipFile(path, "w").close(), "there are no images in .*a.zip"),
        (
            "a.tar",
            lambda path: path.write_bytes(b"no tar" * 200),
            "cannot be read as a tar: it is not a tar, or is compressed",
        ),
        ("a.tar", write_compressed_tar, "cannot be read as a tar: it is not a tar, or is compressed"),
    ],
)
def test_invalid_archives_are_refused(tmp_path, name, write, message):
    write(tmp_path / name)
    with pytest.raises(DataError, match=message):
        open_source(str(tmp_path / name))


def write_tar(path):
    with tarfile.open(path, "w") as archive:
        archive.add(__file__)


def write_end_missing(path):
    write_zip(path)
    path.write_bytes(path.read_bytes()[:-30])


@pytest.mark.parametrize(
    ("write", "reason"),
    [
        (write_end_missing, "its end is missing: copy or download it again"),
        (write_compressed_tar, "its content is that of a .gz file: rename or unpack it"),
        (write_tar, "its content is that of a .tar file"),
        (lambda path: path.write_bytes(b"7z\xbc\xaf'\x1c"), "its content is that of a .7z file"),
        (
            lambda path: path.write_text("<!DOCTYPE html><html>"),
            "it is a web page, not a[n]* (zip|npz): download it again",
        ),
        (lambda path: path.write_text("version https://git-lfs.github.com/spec/v1"), "it is a pointer of Git LFS"),
    ],
)
@pytest.mark.parametrize("name", ["a.zip", "a.npz"])
def test_files_that_are_not_a_zip_are_described(tmp_path, name, write, reason):
    write(tmp_path / name)
    with pytest.raises(DataError, match=rf"{name} cannot be read as an? .*: {reason}"):
        open_source(str(tmp_path / name))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_of_files_with_one_name_the_last_is_read(tmp_path):
    """Programs add a changed file to an archive again."""
    changed = io.BytesIO()
    Image.fromarray(np.full((8, 8, 3), 99, np.uint8)).save(changed, "png")
    contents = [encode_png(), changed.getvalue()]
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for content in contents:
            archive.writestr("0.png", content)
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for content in contents:
            info = tarfile.TarInfo("0.png")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    for name in ("a.zip", "a.tar"):
        found = open_source(str(tmp_path / name))
        assert describe_skipped(found.skipped) == "1 file skipped: 1 .png (replaced by a later file of the same name)"
        assert (decode(found, SHAPE)[0].pixels == 99).all()


def test_the_error_names_a_damaged_member(tmp_path):
    write_zip(tmp_path / "a.zip", content=encode_png() * 20)
    data = bytearray((tmp_path / "a.zip").read_bytes())
    data[60] ^= 0xFF
    (tmp_path / "a.zip").write_bytes(data)
    images, faults = decode(open_source(str(tmp_path / "a.zip")), SHAPE)
    assert images is None
    assert faults[0].startswith(f"{tmp_path / 'a.zip'}: 0.png (")
