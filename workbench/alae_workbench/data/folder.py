"""Folders of image files: found at any depth, labelled by subfolder or by a table beside them."""

import os
from pathlib import Path

from alae_workbench.data.collection import Pictures, classes_of
from alae_workbench.data.pictures import ENDINGS
from alae_workbench.data.source import DataError
from alae_workbench.data.table import labels_in_table


def image_files(path: Path) -> list[Path]:
    """The files of a folder, at any depth, that are images by their names.

    Hidden ones and links to folders are passed over. Raises DataError where none is left, or a folder cannot be read.
    """
    files, folders = [], [path]
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    # What systems and tools leave beside images: previews, and copies of a Mac's.
                    if entry.name.startswith("."):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(Path(entry.path))
                    elif entry.name.lower().endswith(ENDINGS):
                        files.append(Path(entry.path))
        except OSError as error:
            raise DataError(f"{folder} cannot be read: {error.strerror}") from error
    if not files:
        raise DataError(
            f"there are no images in {path}: it should hold {', '.join(ENDINGS)} files, in any subfolders; "
            "hidden ones and links to folders are passed over"
        )
    return sorted(files)


def pictures_in_folder(path: Path) -> Pictures:
    """The images in a folder, labelled by its one table, or where it has none or several, by subfolder.

    Raises DataError as `image_files` and `labels_in_table` do.
    """
    files = image_files(path)
    places = [file.relative_to(path) for file in files]
    tables = [file for file in path.iterdir() if file.suffix.lower() == ".csv" and not file.name.startswith(".")]
    if len(tables) != 1:
        tables = []
    labels, names = labels_in_table(tables[0], places) if tables else classes_of(places)
    return Pictures(files, [place.as_posix() for place in places], labels, names, [*files, *tables])
