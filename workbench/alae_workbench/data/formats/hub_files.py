"""The files of a data set of the Hub: parquet as downloaded, or the Arrow files of `save_to_disk`, and their splits."""

import json
import os
import re
from collections.abc import Collection as Names
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from alae_core._support.files import read_regular
from alae_workbench.data.picture_formats import ENDINGS
from alae_workbench.data.source import DataError, describe_error
from alae_workbench.data.splits import find_split

#: file name endings of single files
HUB = (".parquet", ".arrow")
#: files that `save_to_disk` writes beside its .arrow files, and in their parent folder if there are several splits.
STATE, INFO, _SPLITS = "state.json", "dataset_info.json", "dataset_dict.json"
# Shards are named SPLIT-00000-of-00002.parquet; a data set of one configuration has them in the folder data.
_SHARD = re.compile(r"(?P<split>.+)-\d{5}-of-\d{5}(-[0-9a-f]+)?")
_TRAIN = "train"
# Parquet files that may lie beside pictures: ImageFolder of the library `datasets` takes the first of them.
_TABLES_OF_PICTURES = ("metadata", "labels", "annotations")
# Entries of a folder that are looked at to find parquet files below it.
_MOST_ENTRIES = 32
#: maximum bytes of the JSON that describes a data set.
MOST_BYTES = 2**24


def is_hub(path: Path, names: Names[str]) -> bool:
    """Whether a path is a parquet or Arrow file, or a folder that contains `names` is a data set of such files."""
    if not names:
        return path.suffix.lower() in HUB and not path.is_dir()
    if STATE in names or _SPLITS in names:
        return True
    shards = [name for name in names if name.endswith(HUB[0])]
    if shards:
        return not _are_tables_of_pictures(shards, names)
    return len(names) <= _MOST_ENTRIES and _has_shards(path)


def select_files(path: Path) -> tuple[list[Path], list[Path]]:
    """Return the files of the training split, or all, and those of the held-out splits."""
    if not path.is_dir():
        return [path], []
    if (path / _SPLITS).exists():
        return _select_saved_splits(path)
    return (_list_saved(path), []) if (path / STATE).exists() else _select_split(path, _list_shards(path))


def _are_tables_of_pictures(tables: Sequence[str], names: Names[str]) -> bool:
    """Whether parquet files in a folder describe the pictures in it, instead of holding pictures themselves."""
    if any(name.split(".")[0].lower() not in _TABLES_OF_PICTURES for name in tables):
        return False
    return any(name.lower().endswith(ENDINGS) or "." not in name for name in names)


def _has_shards(folder: Path, depth: int = 2) -> bool:
    """Whether a folder holds parquet files in subfolders, such as data/ and default/train/, by a few entries."""
    try:
        with os.scandir(folder) as entries:
            some = [entry for entry in islice(entries, _MOST_ENTRIES) if not entry.name.startswith(".")]
            if any(entry.name.endswith(".parquet") for entry in some):
                return True
            return depth > 0 and any(
                entry.is_dir(follow_symlinks=False) and _has_shards(Path(entry.path), depth - 1) for entry in some
            )
    except OSError:
        return False


def _list_shards(folder: Path) -> list[Path]:
    """List the parquet files in a folder, or else in its subfolders, such as data/, train/ and default/train/."""
    for pattern in ("[!.]*.parquet", "[!.]*/[!.]*.parquet", "[!.]*/[!.]*/[!.]*.parquet"):
        files = sorted(folder.glob(pattern))
        if files:
            return files
    return []


def _select_split(folder: Path, files: list[Path]) -> tuple[list[Path], list[Path]]:
    parents = sorted({file.parent.parent for file in files if find_split(file.parent.name)})
    if len(parents) > 1:
        raise DataError(f"{folder} holds several data sets: give one of them, such as {parents[0]}")
    splits: dict[str, list[Path]] = {}
    for file in files:
        splits.setdefault(_name_split(file), []).append(file)
    train = splits.get(_TRAIN) or (files if len(splits) == 1 else [])
    if not train:
        raise DataError(f"{folder} holds several splits, but none named {_TRAIN}: give one file, such as {files[0]}")
    held_out = (
        [split for split in splits if split != _TRAIN and find_split(split) == "held out"] if len(splits) > 1 else []
    )
    return train, [file for split in sorted(held_out) for file in splits[split]]


def _name_split(file: Path) -> str:
    """Return the split of a file by its name, train-00000-of-00002 or train, or by its folder; "" if neither tells."""
    match = _SHARD.fullmatch(file.stem)
    if match:
        return match["split"]
    for name in (file.parent.name, file.stem):
        if find_split(name):
            return _TRAIN if find_split(name) == "train" else name
    return ""


def _select_saved_splits(path: Path) -> tuple[list[Path], list[Path]]:
    """Return the files of the training split and of the held-out splits that `save_to_disk` wrote."""
    entries = read_json(path / _SPLITS).get("splits")
    # A name that contains a folder could refer to any file.
    splits = (
        [str(entry) for entry in entries if str(entry) == Path(str(entry)).name] if isinstance(entries, list) else []
    )
    if _TRAIN not in splits or not all((path / split / STATE).exists() for split in splits):
        raise DataError(f"{path} holds several splits: give one of them, such as {path / _TRAIN}")
    held_out = [split for split in splits if find_split(split) == "held out"]
    return _list_saved(path / _TRAIN), [file for split in held_out for file in _list_saved(path / split)]


def _list_saved(folder: Path) -> list[Path]:
    entries = read_json(folder / STATE).get("_data_files")
    files = [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    names = [str(entry.get("filename")) for entry in files]
    # A name that contains a folder could refer to any file.
    if not names or not all(name == Path(name).name for name in names):
        raise DataError(f"{folder / STATE} names no .arrow files in its own folder")
    return [folder / name for name in names]


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object. Raises DataError if it cannot be read."""
    try:
        content = json.loads(read_regular(path, MOST_BYTES))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path} cannot be read: {describe_in_line(error)}") from error
    if not isinstance(content, dict):
        raise DataError(f"{path} cannot be read: it is not a JSON object")
    return content


def describe_in_line(error: Exception) -> str:
    """Return an exception's reason in one line."""
    return " ".join(describe_error(error).split())[:300]
