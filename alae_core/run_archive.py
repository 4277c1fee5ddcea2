"""A run as one .zip file, as `alae export` writes it: writing it, and opening it as a directory.

Content is unpacked into a temporary directory, which is removed at exit. Nothing is executed.
"""

import os
import shutil
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from alae_core._support.files import atomic_file, open_regular
from alae_core._support.text import short_repr
from alae_core.errors import CheckpointError
from alae_core.sizes import format_bytes

#: the file name ending
ZIP = ".zip"
# Maximum number of files in a .zip, of their bytes in all, and of the parts of a file name.
_MOST_FILES, _MOST_BYTES, _MOST_PARTS = 1_000, 2**32, 3
_BROKEN = (
    *(zipfile.BadZipFile, zlib.error, OSError, ValueError, KeyError, EOFError),
    *(RuntimeError, NotImplementedError, OverflowError),
)
# What this process has unpacked, by path, time of change and size of the .zip.
_unpacked: dict[tuple[Path, int, int], TemporaryDirectory[str]] = {}


def write_archive(directory: Path, out: Path) -> None:
    """Write all files in `directory` to the .zip file `out`, atomically. Equal files give equal bytes."""
    with atomic_file(out) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(path for path in directory.rglob("*") if path.is_file()):
            # Without a time, which ZipInfo sets to 1980.
            info = zipfile.ZipInfo(path.relative_to(directory).as_posix())
            info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(info, path.read_bytes())


def open_archive(path: Path) -> Path:
    """Return the directory of the run `path`: that of an unpacked copy if `path` is a .zip file, else `path` itself.

    Raises CheckpointError if the .zip is damaged, is not a run written by `alae export`, or is larger than the limits.
    """
    if path.suffix.lower() != ZIP or not path.is_file():
        return path
    state = path.stat()
    key = (path.resolve(), state.st_mtime_ns, state.st_size)
    if key not in _unpacked:
        directory = TemporaryDirectory(prefix="alae-", ignore_cleanup_errors=True)
        try:
            _unpack(path, _place(path, directory))
        except BaseException:
            directory.cleanup()
            raise
        _unpacked[key] = directory
    return _place(path, _unpacked[key])


def find_archive(path: Path) -> Path | None:
    """Return the .zip file that `path`, a run directory or a file in one, was unpacked from; None for other paths."""
    return next(
        (archive for (archive, *_), directory in _unpacked.items() if path.is_relative_to(directory.name)), None
    )


def _place(path: Path, directory: TemporaryDirectory[str]) -> Path:
    # Captions of figures show the name. A name of dots would lead out of the directory.
    return Path(directory.name, path.stem.strip(".") or "model")


def _unpack(path: Path, out: Path) -> None:
    try:
        with open_regular(path) as file, zipfile.ZipFile(file) as archive:
            members = [info for info in archive.infolist() if not info.is_dir()]
            places = [_parse_place(info) for info in members]
            if not any(place.match("checkpoints/*/manifest.json") for place in places):
                raise ValueError(f"it is not a run; `alae export RUN {path.name}` writes one")
            if len(members) > _MOST_FILES or len(set(places)) < len(places):
                raise ValueError(f"it has more than {_MOST_FILES:,} files, or two of one name")
            size, free = sum(info.file_size for info in members), shutil.disk_usage(out.parent).free
            if size > min(_MOST_BYTES, free):
                raise ValueError(
                    f"it unpacks to {format_bytes(size)}, more than the {format_bytes(min(_MOST_BYTES, free))} that it "
                    "may have or that are free"
                )
            for info, place in zip(members, places, strict=True):
                target = out / place
                target.parent.mkdir(parents=True, exist_ok=True)
                # Reading stops at the size in the directory of the archive, and checks the CRC.
                with archive.open(info) as source, target.open("xb") as copy:
                    shutil.copyfileobj(source, copy)
    except _BROKEN as error:
        raise CheckpointError(
            f"{path} cannot be opened as a model: {getattr(error, 'strerror', None) or error}"
        ) from error


def _parse_place(info: zipfile.ZipInfo) -> PurePosixPath:
    """Return a member's place within the run. Raises ValueError if it leads elsewhere, or is not a plain file."""
    place, name = PurePosixPath(info.filename), short_repr(info.filename)
    wrong = [part for part in place.parts if part.startswith((".", "/")) or set(part) & {"\\", ":", "\0", os.sep}]
    if wrong or not 1 <= len(place.parts) <= _MOST_PARTS or len(info.filename) > 200:
        raise ValueError(f"a run has no file {name}")
    mode = info.external_attr >> 16
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        raise ValueError(f"{name} is not a plain file")
    if info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{name} is encrypted, or compressed by a method other than deflate")
    return place
