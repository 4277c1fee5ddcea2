"""Runs as .zip files: equal bytes for equal files, and no file outside the copy."""

import stat
import zipfile

import pytest

from alae_core import CheckpointError, run_archive
from alae_core.run_archive import find_archive, open_archive, write_archive
from tests.conftest import content

MANIFEST = "checkpoints/step-00000001/manifest.json"


def write_zip(path, members, **fields):
    """Write a .zip with members by name; `fields` are set in the entry of the last one."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members:
            info = zipfile.ZipInfo(name)
            if name == members[-1][0]:
                for field, value in fields.items():
                    setattr(info, field, value)
            archive.writestr(info, data)
    return path


def test_a_run_is_written_and_opened(tmp_path):
    run = tmp_path / "run"
    for name in (MANIFEST, "config.yaml", "directions/smile.npy"):
        (run / name).parent.mkdir(parents=True, exist_ok=True)
        (run / name).write_bytes(name.encode() * 99)
    write_archive(run, tmp_path / "faces.zip")
    write_archive(run, tmp_path / "again.zip")
    assert (tmp_path / "faces.zip").read_bytes() == (tmp_path / "again.zip").read_bytes()
    opened = open_archive(tmp_path / "faces.zip")
    assert (opened.name, content(opened)) == ("faces", content(run))
    assert open_archive(tmp_path / "faces.zip") == opened
    assert find_archive(opened / MANIFEST) == tmp_path / "faces.zip"
    assert find_archive(run) is None
    assert open_archive(run) == run
    assert open_archive(tmp_path / "absent.zip") == tmp_path / "absent.zip"
    (tmp_path / "folder.zip").mkdir()
    assert open_archive(tmp_path / "folder.zip") == tmp_path / "folder.zip"


def test_a_changed_file_is_opened_again(tmp_path):
    path = write_zip(tmp_path / "a.zip", [(MANIFEST, "1")])
    first = open_archive(path)
    write_zip(path, [(MANIFEST, "22")])
    assert open_archive(path) != first
    assert (open_archive(path) / MANIFEST).read_bytes() == b"22"


def test_a_name_of_dots_stays_inside_the_temporary_directory(tmp_path):
    assert open_archive(write_zip(tmp_path / "...zip", [(MANIFEST, "1")])).name == "model"


@pytest.mark.parametrize(
    "name", ["../x", "/x", "a/../../x", "..\\x", "C:\\x", ".hidden", "a/.hidden", "a/b/c/d", "x" * 201], ids=str
)
def test_a_file_elsewhere_is_refused(tmp_path, name):
    path = write_zip(tmp_path / "a.zip", [(MANIFEST, "1"), (name, "1")])
    before = content(tmp_path)
    with pytest.raises(CheckpointError, match=r"a\.zip cannot be opened as a model: a run has no file"):
        open_archive(path)
    assert content(tmp_path) == before


def test_links_encrypted_files_and_other_compressions_are_refused(tmp_path):
    members = [(MANIFEST, "1"), ("x", "/etc/passwd")]
    path = write_zip(tmp_path / "a.zip", members, external_attr=(stat.S_IFLNK | 0o777) << 16)
    with pytest.raises(CheckpointError, match="'x' is not a plain file"):
        open_archive(path)
    write_zip(path, members, compress_type=zipfile.ZIP_BZIP2)
    with pytest.raises(CheckpointError, match="compressed by a method other than deflate"):
        open_archive(path)


def test_limits_of_size_and_number(tmp_path, monkeypatch):
    path = write_zip(tmp_path / "a.zip", [(MANIFEST, "1"), ("x", "1" * 999)])
    monkeypatch.setattr(run_archive, "_MOST_BYTES", 999)
    with pytest.raises(CheckpointError, match=r"it unpacks to 0\.0 MB, more than the 0\.0 MB"):
        open_archive(path)
    monkeypatch.undo()
    monkeypatch.setattr(run_archive, "_MOST_FILES", 1)
    with pytest.raises(CheckpointError, match="more than 1 files, or two of one name"):
        open_archive(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_other_and_damaged_files_are_refused(tmp_path):
    path = write_zip(tmp_path / "a.zip", [("x", "1")])
    with pytest.raises(CheckpointError, match=r"it is not a run; `alae export RUN a\.zip` writes one"):
        open_archive(path)
    write_zip(path, [(MANIFEST, "1"), (MANIFEST, "2")])
    with pytest.raises(CheckpointError, match="two of one name"):
        open_archive(path)
    write_zip(path, [(MANIFEST, "12345")])
    path.write_bytes(path.read_bytes().replace(b"12345", b"12346"))
    with pytest.raises(CheckpointError, match=r"a\.zip cannot be opened as a model: Bad CRC-32"):
        open_archive(path)
    path.write_bytes(b"no zip")
    with pytest.raises(CheckpointError, match="cannot be opened as a model: File is not a zip file"):
        open_archive(path)
