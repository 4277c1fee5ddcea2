"""Only regular files are read, and writes are atomic."""

import os
from pathlib import Path

import pytest

from alae_core._support.files import atomic_file, read_regular, write_atomically


def test_a_written_file_reads_back(tmp_path):
    path = tmp_path / "file"
    write_atomically(path, b"content")
    assert read_regular(path) == read_regular(path, most=7) == b"content"
    assert os.listdir(tmp_path) == ["file"]


def test_oversized_files_are_refused_naming_both_sizes(tmp_path):
    write_atomically(tmp_path / "file", b"content")
    with pytest.raises(OSError, match="7 bytes, more than the 6"):
        read_regular(tmp_path / "file", most=6)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_pipes_devices_and_folders_are_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(OSError, match="not a regular file"):
            read_regular(path)
    with pytest.raises(OSError, match="it is a folder, not a file"):
        read_regular(tmp_path)


def test_an_impossible_file_name_is_an_os_error():
    with pytest.raises(OSError, match="no file has such a name"):
        read_regular(Path("a\0b"))


def test_an_exception_while_writing_keeps_the_old_file(tmp_path):
    path = tmp_path / "file"
    write_atomically(path, b"before")

    def interrupted():
        with atomic_file(path) as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_bytes() == b"before"
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
def test_a_full_disk_names_the_requested_file(tmp_path):
    path = tmp_path / "file"
    (tmp_path / f".writing-{os.getpid()}-file").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left") as caught:
        write_atomically(path, b"content")
    assert caught.value.filename == str(path)
    assert not path.exists()
