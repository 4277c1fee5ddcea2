"""Folders of image files: found at any depth, labelled by subfolder or by a table beside them."""

import os
from collections.abc import Sequence
from pathlib import Path, PurePath, PurePosixPath
from typing import Generic, TypeVar, overload

from alae_workbench.data.collection import Pictures, classes_of
from alae_workbench.data.pictures import ENDINGS
from alae_workbench.data.source import DataError
from alae_workbench.data.table import labels_in_table

AnyPath = TypeVar("AnyPath", bound=PurePath)


class Inside(Sequence[AnyPath], Generic[AnyPath]):
    """Files by their names within a folder: as paths, of 500 bytes each, a million would fill memory."""

    def __init__(self, folder: AnyPath, names: Sequence[str]) -> None:
        self.folder, self.names = folder, names

    def __len__(self) -> int:
        return len(self.names)

    @overload
    def __getitem__(self, index: int) -> AnyPath: ...

    @overload
    def __getitem__(self, index: slice) -> list[AnyPath]: ...

    def __getitem__(self, index: int | slice) -> AnyPath | list[AnyPath]:
        """A path, or those of some places."""
        if isinstance(index, slice):
            return [self.folder / name for name in self.names[index]]
        return self.folder / self.names[index]


def image_files(path: Path) -> Inside[Path]:
    """The files of a folder, at any depth, that are images by their names.

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
    return Inside(path, sorted(names, key=lambda name: name.split("/")))


def pictures_in_folder(path: Path) -> Pictures:
    """The images in a folder, labelled by its one table, or where it has none or several, by subfolder.

    Raises DataError as `image_files` and `labels_in_table` do.
    """
    files = image_files(path)
    places = Inside(PurePosixPath(), files.names)
    tables = [file for file in path.iterdir() if file.suffix.lower() == ".csv" and not file.name.startswith(".")]
    if len(tables) != 1:
        tables = []
    labels, names = labels_in_table(tables[0], places) if tables else classes_of(places)
    stored = Inside(path, [*files.names, *(table.name for table in tables)])
    return Pictures(files, files.names, labels, names, stored)
