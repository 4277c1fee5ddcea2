"""Picture files in a .zip or .tar, read in place; a member's name never affects which file is read or written."""

import tarfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Collection as Names
from functools import partial
from pathlib import Path, PurePosixPath
from struct import Struct
from typing import BinaryIO, NamedTuple

from alae_core._support.files import open_regular
from alae_core._support.text import short_repr
from alae_workbench.data.collection import Collection
from alae_workbench.data.formats.compressed_tar import ENDINGS as COMPRESSED
from alae_workbench.data.formats.compressed_tar import find_unpacked, is_compressed_tar
from alae_workbench.data.label_choice import UP, choose_labels
from alae_workbench.data.labelled_collection import (
    add_tables_beside,
    add_tables_of_folder,
    count_others,
    make_collection,
)
from alae_workbench.data.listing import (
    HIDDEN,
    NOT_PICTURE,
    REPLACED,
    Listing,
    Skipped,
    describe_skipped,
    get_ending,
    is_hidden,
)
from alae_workbench.data.options import DEFAULTS, SourceOptions
from alae_workbench.data.picture_file import Member
from alae_workbench.data.picture_formats import HEAD_BYTES, find_fault_of_name
from alae_workbench.data.source import DataError, describe_error
from alae_workbench.data.wrong_content import explain_no_zip

#: file name endings of archives
ARCHIVES = (".zip", ".tar", ".tar.gz")
_ENDINGS = (".zip", ".tar", *COMPRESSED)
# Maximum bytes of a picture file, far above any that Pillow decodes.
_MOST_BYTES = 2**29
# A zip's local header: the signature, and the lengths of the name and of the extra field, which follow it.
_LOCAL_HEADER = Struct("<4s22xHH")
_BROKEN = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, OSError, ValueError, KeyError, EOFError),
    *(RuntimeError, NotImplementedError, OverflowError, MemoryError),
)


class _Entry(NamedTuple):
    """A regular file in an archive.

    Attributes:
        name: its path in the archive, with forward slashes, and no part that leads out of it.
        read: reads its first bytes, or all of them if the number is None. Raises OSError or ValueError.
        fault: why it cannot be read; "" if it can.
    """

    name: str
    read: Callable[[int | None], bytes]
    fault: str


def is_archive(path: Path, names: Names[str]) -> bool:
    """Whether a path is a file with the ending of an archive."""
    return path.name.lower().endswith(_ENDINGS) and not path.is_dir()


def list_archive(path: Path, options: SourceOptions = DEFAULTS) -> Collection:
    """List the picture files in a .zip, .tar or .tar.gz, sorted by name; links, devices and hidden files are skipped.

    `label_choice` decides about labels and splits.

    Raises DataError if there are no pictures, the archive cannot be read or is compressed as a whole, a picture is
    encrypted, too large, or compressed by a method other than deflate, or the chosen labels cannot be used.
    """
    listing, members = _list_members([path])
    if not members:
        skipped = describe_skipped(count_others(listing)) or "it is empty"
        example = f", such as {short_repr(min(listing.others))}" if listing.others else ""
        raise DataError(
            f"there are no images in {path}: it must hold picture files, in any folders; {skipped}{example}; if it "
            f"holds another format or other archives, unpack it and give its folder"
        )
    listing = add_tables_beside(path, _split_name(path)[0], listing)
    chosen = choose_labels(listing, options.labels)
    beside = [path.parent / name.removeprefix(UP) for name in chosen.files if name.startswith(UP)]
    return make_collection(listing, chosen, members, [path, *sorted(beside)])


def list_shards(folder: Path, options: SourceOptions = DEFAULTS) -> Collection:
    """List the picture files in all archives of a folder, such as the shards of WebDataset.

    Raises DataError as `list_archive` does.
    """
    paths = sorted(path for path in folder.iterdir() if is_shard(path.name))
    listing, members = _list_members(paths)
    if not members:
        raise DataError(f"there are no images in the {len(paths):,} archives in {folder}")
    listing = add_tables_of_folder(folder, listing)
    chosen = choose_labels(listing, options.labels)
    tables = [folder / name for name in chosen.files if (folder / name).is_file()]
    return make_collection(listing, chosen, members, [*paths, *sorted(tables)])


def is_shard(name: str) -> bool:
    """Whether a file in a folder is an archive by its name."""
    return name.lower().endswith(_ENDINGS) and not is_hidden(name)


def _list_members(paths: Sequence[Path]) -> tuple[Listing, list[Member]]:
    """List the pictures and other files of archives; if there are several, paths begin with the archive's name."""
    several = len(paths) > 1
    pictures: list[tuple[str, Member]] = []
    others: dict[str, _Entry] = {}
    skipped: Skipped = Counter()
    for path in paths:
        stem, kind = _split_name(path)
        prefix = f"{stem}/" if several else ""
        entries = _list_entries(path)
        # Programs add a changed file to an archive again, and unpacking keeps the last one.
        last = {entry.name: entry for entry in entries}
        skipped.update((REPLACED, get_ending(entry.name)) for entry in entries if last[entry.name] is not entry)
        for entry in last.values():
            ending = get_ending(entry.name)
            if any(map(is_hidden, entry.name.split("/"))):
                skipped[HIDDEN, ending] += 1
                continue
            fault = find_fault_of_name(entry.name, partial(entry.read, HEAD_BYTES))
            if not fault and entry.fault:
                raise DataError(f"{path} cannot be read as a {kind}: {entry.fault}")
            if not fault:
                member = Member(path, PurePosixPath(entry.name), partial(entry.read, None))
                pictures.append((f"{prefix}{entry.name}", member))
            elif fault == NOT_PICTURE:
                others[f"{prefix}{entry.name}"] = entry
            else:
                skipped[fault, ending] += 1
    pictures.sort(key=lambda picture: picture[0].split("/"))
    names = [name for name, _ in pictures]

    def read(name: str, most: int) -> bytes:
        if others[name].fault:
            raise ValueError(others[name].fault)
        content = others[name].read(most + 1)
        if len(content) > most:
            raise ValueError(f"it has more than the {most:,} bytes that such a file may have")
        return content

    containers = [name.partition("/")[0] for name in names] if several else ()
    return Listing(names, others.keys(), read, skipped, containers), [member for _, member in pictures]


def _split_name(path: Path) -> tuple[str, str]:
    """Return an archive's name without its ending, and the ending without its dot, such as tar.gz."""
    ending = next(ending for ending in _ENDINGS if path.name.lower().endswith(ending))
    return path.name[: -len(ending)], ending[1:]


def _list_entries(path: Path) -> list[_Entry]:
    kind = _split_name(path)[1]
    stored = find_unpacked(path) if is_compressed_tar(path.name) else path
    try:
        with open_regular(stored) as file:
            size = file.seek(0, 2)
            file.seek(0)
            return list((_list_zip if kind == "zip" else _list_tar)(stored, file, size))
    except _BROKEN as error:
        fault = (explain_no_zip(path, kind) if kind == "zip" else "") or describe_error(error)
        raise DataError(f"{path} cannot be read as a {kind}: {fault}") from error


def _list_zip(path: Path, file: BinaryIO, size: int) -> Iterator[_Entry]:
    for info in zipfile.ZipFile(file).infolist():
        # Some Windows programs separate folders by backslashes.
        name = info.filename.replace("\\", "/")
        if name.endswith("/"):
            continue
        fault = _find_size_fault(name, info.file_size, info.compress_size, size)
        if info.flag_bits & 1:
            fault = f"{info.filename!r:.80} is encrypted"
        elif info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            fault = f"{info.filename!r:.80} is neither stored nor deflated"
        yield _Entry(_remove_outward_parts(name), partial(_read_from_zip, path, info), fault)


def _read_from_zip(path: Path, info: zipfile.ZipInfo, most: int | None = None) -> bytes:
    # ZipFile is not used: it serves one thread at a time, and opening one reads the names of all members.
    with open_regular(path) as file:
        file.seek(info.header_offset)
        header = file.read(_LOCAL_HEADER.size)
        complete = len(header) == _LOCAL_HEADER.size
        signature, name_length, extra_length = _LOCAL_HEADER.unpack(header) if complete else (b"", 0, 0)
        if signature != b"PK\3\4":
            raise ValueError("the archive does not hold it at the offset in its directory")
        file.seek(name_length + extra_length, 1)
        # Deflated content takes at most this much more than it unpacks to.
        content = file.read(info.compress_size if most is None else min(info.compress_size, most + most // 8 + 100))
    length = info.file_size if most is None else min(info.file_size, most)
    if info.compress_type == zipfile.ZIP_DEFLATED:
        # Allowing one more byte shows whether the content ends where it should.
        try:
            content = zlib.decompressobj(-zlib.MAX_WBITS).decompress(content, length + (length == info.file_size))
        except zlib.error as error:
            raise ValueError(str(error)) from error
    if length < info.file_size:
        return content[:length]
    if len(content) != info.file_size or zlib.crc32(content) != info.CRC:
        raise ValueError("its checksum does not match its content")
    return content


def _list_tar(path: Path, file: BinaryIO, size: int) -> Iterator[_Entry]:
    try:
        archive = tarfile.open(fileobj=file, mode="r:")  # noqa: SIM115 - the caller closes the file
    except tarfile.ReadError as error:
        raise ValueError(
            "it is not a tar, or is compressed as a whole, which does not allow reading in place: unpack it"
        ) from error
    for info in archive:
        if info.isreg() and not info.issparse():
            fault = _find_size_fault(info.name, info.size, info.size, size)
            if info.size > size:  # the next member would be outside
                raise ValueError(fault)
            name = _remove_outward_parts(info.name)
            yield _Entry(name, partial(_read_from_tar, path, info.offset_data, info.size), fault)


def _read_from_tar(path: Path, offset: int, size: int, most: int | None = None) -> bytes:
    length = size if most is None else min(size, most)
    with open_regular(path) as file:
        file.seek(offset)
        content = file.read(length)
    if len(content) < length:
        raise EOFError("the archive ends within it")
    return content


def _find_size_fault(name: str, size: int, packed: int, archive: int) -> str:
    if size > _MOST_BYTES:
        return f"{name!r:.80} has {size:,} bytes; a picture file may have at most {_MOST_BYTES:,}"
    if packed > archive:
        return f"{name!r:.80} is said to take {packed:,} bytes, but the archive has {archive:,}"
    return ""


def _remove_outward_parts(name: str) -> str:
    return PurePosixPath(*(part for part in PurePosixPath(name).parts if part not in ("/", "..", "//"))).as_posix()
