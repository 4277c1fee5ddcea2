"""Folders of picture files at any depth."""

import os
from collections import Counter
from collections.abc import Collection as Names
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from alae_core._support.files import open_regular, read_regular
from alae_workbench.data.collection import Collection, LazySequence
from alae_workbench.data.formats.archive import is_shard, list_shards
from alae_workbench.data.label_choice import choose_labels
from alae_workbench.data.labelled_collection import add_tables_beside, count_others, make_collection
from alae_workbench.data.listing import HIDDEN, NOT_PICTURE, Listing, Skipped, describe_skipped, get_ending, is_hidden
from alae_workbench.data.options import DEFAULTS, SourceOptions
from alae_workbench.data.picture_formats import HEAD_BYTES, find_fault_of_name
from alae_workbench.data.source import DataError

# Links to folders that are followed: how many below each other, and how many in all.
_MOST_NESTED_LINKS, _MOST_LINKS = 4, 10_000
_BROKEN_LINK, _LOOP, _TOO_MANY_LINKS = "broken links", "links to a folder that holds them", "too many links to folders"
_SPECIAL = "not regular files"


def list_picture_files(path: Path) -> Sequence[Path]:
    """List the picture files in a folder, sorted. Raises DataError as `list_folder` does."""
    listing = _list_files(path)
    if not listing.names:
        raise _make_empty_error(path, listing)
    return _join(path, listing.names)


def is_folder(path: Path, names: Names[str]) -> bool:
    """Whether a path is a folder, or a single picture file."""
    return path.is_dir() or not find_fault_of_name(path.name, lambda: _read(path, HEAD_BYTES))


def list_folder(path: Path, options: SourceOptions = DEFAULTS) -> Collection:
    """List a single picture file, or those in a folder at any depth; `label_choice` decides about labels and splits.

    A folder with archives and no picture files is read as their contents. Hidden files and folders are skipped. Links
    are followed, except to a folder that holds the link.

    Raises DataError if a folder has no picture files or cannot be read, or the chosen labels cannot be used.
    """
    if not path.is_dir():
        return Collection([path], [path.name], None, (), [path])
    listing = _list_files(path)
    if not listing.names:
        if any(is_shard(name) for name in listing.others):
            return list_shards(path, options)
        raise _make_empty_error(path, listing)
    listing = add_tables_beside(path, path.absolute().stem, listing)
    chosen = choose_labels(listing, options.labels)
    stored = _join(path, [*listing.names, *sorted(chosen.files)])
    return make_collection(listing, chosen, _join(path, listing.names), stored)


def _read(path: Path, count: int) -> bytes:
    with open_regular(path) as file:
        return file.read(count)


def _make_empty_error(path: Path, listing: Listing) -> DataError:
    skipped = describe_skipped(count_others(listing)) or "it is empty"
    endings = {get_ending(name) for name in listing.others}
    advice = "; give one of the .npz files" if ".npz" in endings else ""
    if ".npy" in endings:
        advice = "; give one array of all images, such as numpy.save('images.npy', numpy.stack(…))"
    return DataError(f"there are no images in {path}: it must hold picture files, in any subfolders; {skipped}{advice}")


@dataclass
class _Walk:
    """The files found in a folder so far."""

    pictures: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    skipped: Skipped = field(default_factory=Counter)
    folders: list["_Folder"] = field(default_factory=list)
    links: int = 0


@dataclass(frozen=True)
class _Folder:
    """A folder to be read.

    Attributes:
        path: where it is.
        prefix: its path in the source, with a final slash.
        links: number of links above it.
        above: the device and inode of each folder above it, and its own; only below a link, where loops are possible.
    """

    path: Path
    prefix: str
    links: int = 0
    above: frozenset[tuple[int, int]] = frozenset()


def _list_files(path: Path) -> Listing:
    walk = _Walk(folders=[_Folder(path, "")])
    while walk.folders:
        folder = walk.folders.pop()
        try:
            with os.scandir(folder.path) as entries:
                for entry in entries:
                    _sort_entry(walk, path, folder, entry)
        except OSError as error:
            raise DataError(f"{folder.path} cannot be read: {error.strerror}") from error
    names = sorted(walk.pictures, key=lambda name: name.split("/"))
    return Listing(names, frozenset(walk.others), lambda name, most: read_regular(path / name, most), walk.skipped)


def _sort_entry(walk: _Walk, top: Path, folder: _Folder, entry: os.DirEntry[str]) -> None:
    name, ending = f"{folder.prefix}{entry.name}", get_ending(entry.name)
    is_link = entry.is_symlink()
    if is_hidden(entry.name):
        if is_link or not entry.is_dir(follow_symlinks=False):
            walk.skipped[HIDDEN, ending] += 1
        return
    try:
        status = entry.stat() if is_link or folder.above else None
    except OSError:
        walk.skipped[_BROKEN_LINK, ending] += 1
        return
    if S_ISDIR(status.st_mode) if status else entry.is_dir():
        fault = _enter(walk, top, folder, entry, status if is_link or folder.above else None)
        if fault:
            walk.skipped[fault, ending] += 1
    elif not (S_ISREG(status.st_mode) if status else entry.is_file()):
        walk.skipped[_SPECIAL, ending] += 1
    else:
        fault = find_fault_of_name(entry.name, lambda: _read(Path(entry.path), HEAD_BYTES))
        if not fault:
            walk.pictures.append(name)
        elif fault == NOT_PICTURE:
            walk.others.append(name)
        else:
            walk.skipped[fault, ending] += 1


def _enter(walk: _Walk, top: Path, folder: _Folder, entry: os.DirEntry[str], status: os.stat_result | None) -> str:
    """Add a folder to those to be read; return why not, or ""."""
    path, prefix, links, above = Path(entry.path), f"{folder.prefix}{entry.name}/", folder.links, folder.above
    if status is not None:
        if entry.is_symlink():
            links += 1
            walk.links += 1
            above = above or _identify(top, folder.prefix)
        identity = (status.st_dev, status.st_ino)
        if identity in above:
            return _LOOP
        if links > _MOST_NESTED_LINKS or walk.links > _MOST_LINKS:
            return _TOO_MANY_LINKS
        above |= {identity}
    walk.folders.append(_Folder(path, prefix, links, above))
    return ""


def _identify(top: Path, prefix: str) -> frozenset[tuple[int, int]]:
    """Return the device and inode of a folder and of those above it, up to the top of the source."""
    found, path = set(), top
    for part in (".", *prefix.split("/")[:-1]):
        path = path / part
        status = path.stat()
        found.add((status.st_dev, status.st_ino))
    return frozenset(found)


def _join(folder: Path, names: Sequence[str]) -> Sequence[Path]:
    """Join a folder and names on access: a million paths would take 500 MB."""
    return LazySequence(len(names), lambda index: folder / names[index])
