"""Folders of picture files at any depth, labelled by a table or by subfolder."""

import os
from collections.abc import Collection as Names
from collections.abc import Sequence
from pathlib import Path, PurePath, PurePosixPath
from typing import TypeVar

from alae_workbench.data.collection import Collection, LazySequence
from alae_workbench.data.formats.table import read_label_table
from alae_workbench.data.labels import label_by_folder
from alae_workbench.data.picture_file import ENDINGS
from alae_workbench.data.source import DataError

_Path = TypeVar("_Path", bound=PurePath)


def list_picture_files(path: Path) -> Sequence[Path]:
    """List the picture files in a folder, sorted. Raises DataError as `list_folder` does."""
    return _join(path, _list_names(path))


def is_folder(path: Path, names: Names[str]) -> bool:
    """Whether a path is a folder, or a single picture file."""
    return path.is_dir() or path.suffix.lower() in ENDINGS


def list_folder(path: Path) -> Collection:
    """List a single picture file, or those in a folder, labelled by its only .csv table, or else by subfolder.

    Hidden files and folders, and links to folders, are skipped.

    Raises DataError if a folder has no picture files or cannot be read, or the table is invalid.
    """
    if not path.is_dir():
        return Collection([path], [path.name], None, (), [path])
    names = _list_names(path)
    places = _join(PurePosixPath(), names)
    tables = [file.name for file in path.iterdir() if file.suffix.lower() == ".csv" and not file.name.startswith(".")]
    if len(tables) != 1:
        tables = []
    labels, label_names = read_label_table(path / tables[0], places) if tables else label_by_folder(places)
    return Collection(_join(path, names), names, labels, label_names, _join(path, [*names, *tables]))


def _list_names(path: Path) -> list[str]:
    """List the picture files by their paths within the folder, such as `cats/1.png`, sorted by path parts."""
    names, folders = [], [(path, "")]
    while folders:
        folder, prefix = folders.pop()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    # Hidden files include thumbnails and the ._ files of macOS.
                    if entry.name.startswith("."):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        folders.append((Path(entry.path), f"{prefix}{entry.name}/"))
                    elif entry.name.lower().endswith(ENDINGS):
                        names.append(f"{prefix}{entry.name}")
        except OSError as error:
            raise DataError(f"{folder} cannot be read: {error.strerror}") from error
    if not names:
        raise DataError(
            f"there are no images in {path}: it must hold {', '.join(ENDINGS)} files, in any subfolders; "
            "hidden files and links to folders are skipped"
        )
    return sorted(names, key=lambda name: name.split("/"))


def _join(folder: _Path, names: Sequence[str]) -> Sequence[_Path]:
    """Join a folder and names on access: a million paths would take 500 MB."""
    return LazySequence(len(names), lambda index: folder / names[index])
