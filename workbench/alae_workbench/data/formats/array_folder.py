"""Folders of .npy and .npz files, such as images.npy with labels.npy, or KMNIST's: their arrays belong together."""

import re
from collections.abc import Collection as Names
from dataclasses import replace
from os.path import commonprefix
from pathlib import Path

from alae_workbench.data.formats.array_names import find_labels, find_roles
from alae_workbench.data.formats.arrays import ARRAYS, StoredArray, open_arrays, read_array_file, read_roles
from alae_workbench.data.listing import list_names
from alae_workbench.data.memory import Arrays
from alae_workbench.data.options import DEFAULTS, SourceOptions
from alae_workbench.data.picture_formats import ENDINGS
from alae_workbench.data.source import DataError, Splits

# The beginning that the names of all files share, up to a mark between words: kmnist-train-imgs, kmnist-test-imgs.
_SHARED = re.compile(r".*[-_. ]")
# Maximum number of files beside a file of arrays that are opened.
_MOST_BESIDE = 20


def is_array_folder(path: Path, names: Names[str]) -> bool:
    """Whether a folder that contains `names` holds files of arrays, and neither pictures nor other folders."""
    if not _select(names) or any(name.lower().endswith(ENDINGS) for name in names):
        return False
    return not any((path / name).is_dir() for name in names)


def read_array_folder(path: Path, options: SourceOptions = DEFAULTS) -> Splits:
    """Read the images, and labels if there are any, from the arrays in the files of a folder.

    A file of one array is an array with the name of the file, as in an .npz file; the arrays of other files have that
    name before their own. A beginning that all names share is left out.

    Raises DataError as `read_array_file`.
    """
    files = _select(list_names(path))
    if len(files) == 1:
        return read_array_file(path / files[0], options)
    arrays, sizes = _open(path, files), sum((path / name).stat().st_size for name in files)
    try:
        roles = find_roles(_get_shapes(arrays), path, options)
    except DataError as error:
        raise DataError(f"{error}; or give one of its files") from error
    return read_roles(path, {name: array for name, (_, array) in arrays.items()}, roles, options, sizes)


def read_lone_array_file(path: Path, options: SourceOptions = DEFAULTS) -> Splits:
    """Read a file of arrays as `read_array_file`; if it has no labels, mention the file of labels beside it."""
    splits = read_array_file(path, options)
    if splits.images.labels is not None or options.labels is not None:
        return splits
    try:
        files = [name for name in _select(list_names(path.absolute().parent)) if name != path.name]
        arrays = _open(path.absolute().parent, [path.name, *files[:_MOST_BESIDE]])
    except DataError:
        return splits
    # A file of several arrays has all that belongs to it.
    own = [name for name, (file, _) in arrays.items() if file == path.name]
    labels = find_labels(own[0], _get_shapes(arrays), SourceOptions()) if len(own) == 1 else None
    if labels is None or arrays[labels][1].shape[:1] != (len(splits.images),):
        return splits
    text = f"none (found {arrays[labels][0]} beside it, not used: give their folder)"
    images = splits.images
    return replace(splits, images=replace(images, label_text=text) if isinstance(images, Arrays) else images)


def _select(names: Names[str]) -> list[str]:
    return sorted(name for name in names if Path(name).suffix.lower() in ARRAYS and not name.startswith("."))


def _get_shapes(arrays: dict[str, tuple[str, StoredArray]]) -> dict[str, tuple[int, ...]]:
    return {name: array.shape for name, (_, array) in arrays.items()}


def _open(path: Path, files: list[str]) -> dict[str, tuple[str, StoredArray]]:
    """Return the arrays of files by name, each with its file."""
    stems = [Path(name).stem for name in files]
    shared = _SHARED.match(commonprefix(stems))  # noqa: RUF071 - characters are compared, as intended
    start = len(shared[0]) if shared else 0
    arrays: dict[str, tuple[str, StoredArray]] = {}
    for name, stem in zip(files, stems, strict=True):
        found = open_arrays(path / name)
        for title, array in found.items():
            arrays[stem[start:] if len(found) == 1 else f"{stem[start:]}-{title}"] = (name, array)
    return arrays
