"""Folders of image files: found at any depth, labelled by subfolder or by a table beside them."""

import os
from collections.abc import Sequence
from pathlib import Path, PurePath, PurePosixPath
from typing import TypeVar

from alae_workbench.data.collection import Made, Pictures, classes_of
from alae_workbench.data.formats.table import labels_in_table
from alae_workbench.data.pictures import ENDINGS
from alae_workbench.data.source import DataError

_Path = TypeVar("_Path", bound=PurePath)


def image_files(path: Path) -> Sequence[Path]:
    """The files of `image_names`. Raises DataError as that does."""
    return _within(path, image_names(path))


def image_names(path: Path) -> list[str]:
    """The files of a folder, at any depth, that are images by their names: `cats/1.png`, in order.

    Hidden ones and links to folders are passed over. Raises DataError where none is left, or a folder cannot be read.
    """
    names, folders = [], [(path, "")]
    while folders:
        folder, within = folders.pop()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    # What systems and tools leave beside images: previews, and copies of a Mac's.
                    if entry.name.startswith("."):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        folders.append((Path(entry.path), f"{within}{entry.name}/"))
                    elif entry.name.lower().endswith(ENDINGS):
                        names.append(f"{within}{entry.name}")
        except OSError as error:
            raise DataError(f"{folder} cannot be read: {error.strerror}") from error
    if not names:
        raise DataError(
            f"there are no images in {path}: it should hold {', '.join(ENDINGS)} files, in any subfolders; "
            "hidden ones and links to folders are passed over"
        )
    return sorted(names, key=lambda name: name.split("/"))


def pictures_in_folder(path: Path) -> Pictures:
    """The images in a folder, labelled by its one table, or where it has none or several, by subfolder.

    Raises DataError as `image_names` and `labels_in_table` do.
    """
    names = image_names(path)
    places = _within(PurePosixPath(), names)
    tables = [file.name for file in path.iterdir() if file.suffix.lower() == ".csv" and not file.name.startswith(".")]
    if len(tables) != 1:
        tables = []
    labels, classes = labels_in_table(path / tables[0], places) if tables else classes_of(places)
    return Pictures(_within(path, names), names, labels, classes, _within(path, [*names, *tables]))


def _within(folder: _Path, names: Sequence[str]) -> Sequence[_Path]:
    """Files by their names: a million paths would take 500 MB."""
    return Made(len(names), lambda place: folder / names[place])
