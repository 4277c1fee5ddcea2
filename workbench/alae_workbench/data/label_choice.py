"""The choice of labels: the one place that decides where the labels of a data source come from.

For pictures in a folder or an archive, the first of these that labels every training image is used:

1. the file, or the folders, that the user has chosen (`--labels`, `training.labels_from`);
2. `dataset.json` as StyleGAN writes it; `null` means that there are no labels;
3. `metadata.csv` or `metadata.jsonl` of the Hugging Face Hub, in one or several folders;
4. `KEY.cls`, or the class in `KEY.json`, beside `KEY.jpg` as in WebDataset;
5. a table (.csv, .tsv, .txt) whose rows name the images, in a folder above them; of several the only one that fits;
6. class folders.

For arrays and columns, `choose_name` chooses by name. Labels that cannot be used are an error only if the user has
chosen them; otherwise the result says why.
"""

import csv
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from alae_core._support.text import short_repr, suggest
from alae_workbench.data.formats.json_table import parse_dataset_json, parse_json_lines, parse_json_object
from alae_workbench.data.formats.text_table import TABLES, parse_text_table
from alae_workbench.data.label_columns import CLASS_TITLES, ConvertedColumns, UnmatchedError, convert_columns
from alae_workbench.data.label_matching import Columns, Table, index_names, match_rows
from alae_workbench.data.labels import UNLABELLED, Labels, number_texts
from alae_workbench.data.listing import Listing, get_ending
from alae_workbench.data.source import DataError
from alae_workbench.data.splits import Layout, are_chunks, find_layout

#: choices of the user that are not a file, an array or a column
NONE, FOLDERS = "none", "folders"
#: beginning of the paths of tables in the parent folder of a data source
UP = "../"
# Maximum bytes of a table: enough for CelebA's forty attributes for 3 million images. Maximum bytes of a small file.
_MOST_BYTES, _MOST_SMALL_BYTES = 2**28, 2**16
# Maximum number of tables that are tried.
_MOST_TABLES = 20
_DATASET, _METADATA = ("dataset.json", "labels.json"), ("metadata.csv", "metadata.jsonl")
_CLS, _JSON = ".cls", ".json"
_BROKEN = (OSError, ValueError, csv.Error, RecursionError, MemoryError)


@dataclass(frozen=True, eq=False)
class ChosenLabels:
    """The labels of pictures, their splits, and the files that the labels were read from.

    Attributes:
        labels: for all pictures; held-out pictures may be `UNLABELLED`.
        held_out: for each picture whether it is held out; empty if there are no splits.
        files: the label files.
    """

    labels: Labels
    held_out: Sequence[bool]
    files: frozenset[str] = frozenset()


def choose_labels(listing: Listing, choice: str | None = None) -> ChosenLabels:
    """Choose the labels of pictures: see the order above.

    Args:
        listing: the files of the source.
        choice: the user's: a file of the source, `folders` or `none`; None for the order above.

    Raises DataError if the user's choice cannot be used.
    """
    prefix = 1 if listing.containers else 0
    inner = [name.split("/", prefix)[prefix] for name in listing.names] if prefix else listing.names
    layout = find_layout(inner, listing.containers)
    found = _Pictures(listing, layout, inner).choose(choice)
    return ChosenLabels(found.labels, layout.held_out, found.files)


def choose_name(names: Sequence[str], choice: str | None = None, what: str = "column") -> str | None:
    """Choose the array or column of classes by its name; None if no name fits.

    Args:
        names: the names of arrays or columns.
        choice: the user's, or None.
        what: an array or a column, in messages.

    Raises DataError if there is no array or column of the user's choice.
    """
    if choice is not None and choice not in (NONE, FOLDERS):
        if choice not in names:
            raise DataError(
                f"there is no {what} {short_repr(choice)} for the labels; there are "
                f"{', '.join(map(short_repr, names)) or 'none'}{suggest(choice, names)}"
            )
        return choice
    if choice == NONE:
        return None
    lower = {name.lower(): name for name in reversed(names)}
    return next((lower[title] for title in CLASS_TITLES if title in lower), None)


@dataclass(frozen=True, eq=False)
class _Found:
    labels: Labels
    files: frozenset[str] = frozenset()


class _Pictures:
    """The pictures of a listing, and the ways to label them."""

    def __init__(self, listing: Listing, layout: Layout, inner: Sequence[str]) -> None:
        self.listing, self.layout, self.inner = listing, layout, inner
        self.notes: list[str] = []
        self._indices: dict[str, dict[str, int]] = {}

    def choose(self, choice: str | None) -> _Found:
        if choice == NONE:
            return _Found(Labels(notes=("as requested",)))
        if choice == FOLDERS:
            return self._require(self._label_by_folder(), choice)
        if choice is not None:
            return self._label_by_choice(choice)
        ways: tuple[Callable[[], _Found | None], ...] = (
            self._label_by_dataset_json,
            self._label_by_metadata,
            self._label_by_key,
            self._label_by_tables,
            self._label_by_folder,
        )
        for way in ways:
            found = way()
            if found:
                return _Found(
                    Labels(found.labels.values, found.labels.names, found.labels.origin, self._all_notes(found)),
                    found.files,
                )
        return _Found(Labels(notes=tuple(self.notes)))

    def _all_notes(self, found: _Found) -> tuple[str, ...]:
        return (*found.labels.notes, *self.notes)

    def _require(self, found: _Found | None, choice: str) -> _Found:
        if found is None:
            notes = "; ".join(note.removeprefix(f"found {choice}, not used: ") for note in self.notes)
            raise DataError(f"the labels cannot be read from {choice}: {notes or 'there are none'}")
        return found

    def _label_by_choice(self, choice: str) -> _Found:
        others = {name: name for name in self.listing.others}
        for name in self.listing.others:
            others.setdefault(name.rpartition("/")[2], name)
        if choice not in others:
            raise DataError(
                f"there is no file {short_repr(choice)} for the labels in the data; it holds "
                f"{', '.join(short_repr(name) for name in list(self._list_tables())[:5]) or 'no tables'}; "
                f"{FOLDERS} and {NONE} are possible too"
            )
        name = others[choice]
        if name.rpartition("/")[2] in _DATASET:
            return self._require(self._label_by_dataset_json([name]), choice)
        return self._require(self._label_by_table([name], chosen=True), choice)

    def _label_by_dataset_json(self, names: Sequence[str] = ()) -> _Found | None:
        for name in names or self._find_top(_DATASET):
            try:
                table = parse_dataset_json(self.listing.read(name, _MOST_BYTES))
                if table is None:
                    return _Found(Labels(notes=(f"{name} says so",)), frozenset({name}))
                return self._convert([(name, table)], chosen=True)
            except _BROKEN as error:
                self._add_note(name, error)
        return None

    def _label_by_metadata(self) -> _Found | None:
        for base in _METADATA:
            names = [name for name in self._list_tables() if name.rpartition("/")[2] == base]
            found = self._label_by_table(names) if names else None
            if found:
                return found
        return None

    def _label_by_key(self) -> _Found | None:
        """Label pictures by the file KEY.cls or KEY.json beside each of them."""
        others = self.listing.others
        if not any(name.endswith((_CLS, _JSON)) for name in others):
            return None
        keys = [_find_key(name) for name in self.listing.names]
        for ending in (_CLS, _JSON):
            files = [f"{key}{ending}" for key in keys]
            there = [file in others for file in files]
            train = self._train_only(there)
            if not files or not any(train):
                continue
            try:
                if not all(train):
                    raise ValueError(f"{train.count(False):,} of {len(train):,} images have none")
                contents = ((file, self.listing.read(file, _MOST_SMALL_BYTES)) for file in files if file in others)
                rows = _read_classes(contents) if ending == _CLS else _read_objects(contents)
                if rows is None:
                    continue
                return self._to_found(
                    [rows.get(file) for file in files],
                    f"KEY{ending}",
                    frozenset(file for file in files if file in others),
                )
            except _BROKEN as error:
                self._add_note(f"KEY{ending}", error)
        return None

    def _label_by_tables(self) -> _Found | None:
        fitting = []
        names = [name for name in self._list_tables() if name.rpartition("/")[2] not in _METADATA]
        bases = Counter(name.rpartition("/")[2] for name in names)
        for base in list(bases)[:_MOST_TABLES]:
            found = self._label_by_table([name for name in names if name.rpartition("/")[2] == base])
            if found:
                fitting.append(found)
        if len(fitting) < 2:
            return fitting[0] if fitting else None
        origins = " and ".join(found.labels.origin for found in fitting[:3])
        self.notes.insert(0, f"{origins} all name the images: choose one with --labels")
        return None

    def _label_by_table(self, names: Sequence[str], *, chosen: bool = False) -> _Found | None:
        """Label pictures by a table, or by several of one name in different folders."""
        # Most text files are not tables, so only one that names some of the images is mentioned.
        is_text = get_ending(names[0]) == ".txt" and not chosen
        try:
            tables = [(name, self._parse(name)) for name in names]
        except _BROKEN as error:
            if not is_text:
                self._add_note(names[0], error)
            return None
        try:
            return self._convert(tables, chosen=chosen)
        except _BROKEN as error:
            if not (is_text and isinstance(error, UnmatchedError)):
                self._add_note(names[0], error)
            return None

    def _parse(self, name: str) -> Table:
        content = self.listing.read(name, _MOST_BYTES)
        if name.lower().endswith(".jsonl"):
            return parse_json_lines(content)
        return parse_text_table(content, self._index_names(_folder_of(name)))

    def _convert(self, tables: Iterable[tuple[str, Table]], *, chosen: bool = False) -> _Found:
        """Convert tables to labels of all training pictures. Raises ValueError as `convert_columns`."""
        rows: list[list[str] | None] = [None] * len(self.inner)
        titles: list[str] = []
        files = []
        for name, table in tables:
            columns = match_rows(table, self._index_names(_folder_of(name)), len(self.inner))
            if titles and columns.titles != titles:
                raise ValueError("its columns differ from those of the table of the same name in another folder")
            titles = columns.titles
            rows = [new if new is not None else old for old, new in zip(rows, columns.rows, strict=True)]
            files.append(name)
        return self._to_found(rows, files[0].rpartition("/")[2], frozenset(files), titles, chosen=chosen)

    def _to_found(
        self,
        rows: Sequence[list[str] | None],
        origin: str,
        files: frozenset[str],
        titles: Sequence[str] = (CLASS_TITLES[0],),
        *,
        chosen: bool = False,
    ) -> _Found:
        # Held-out pictures without a row have no label, but training pictures need one.
        held_out = self.layout.held_out or [False] * len(rows)
        labelled = [index for index, row in enumerate(rows) if row is not None or not held_out[index]]
        if not labelled:
            raise ValueError("there are no images to train on")
        columns = Columns(list(titles), [rows[index] for index in labelled])
        converted = convert_columns(columns, [self.inner[index] for index in labelled], chosen=chosen)
        values = _spread(converted, labelled, len(rows))
        notes = (f"not used: {'; '.join(converted.unused[:3])}",) if converted.unused else ()
        return _Found(Labels(values, converted.names, origin, notes), files)

    def _label_by_folder(self) -> _Found | None:
        folders = self.layout.folders
        train = [folder for folder in self._train_only(folders) if folder is not None]
        names = sorted(set(train))
        if len(names) < 2:
            return None
        outside = [
            name for name, folder in self._train_only(list(zip(self.inner, folders, strict=True))) if folder is None
        ]
        if outside:
            self.notes.append(
                f"found folders, not used: {len(outside):,} of {len(outside) + len(train):,} images lie outside of "
                f"them, such as {short_repr(outside[0])}"
            )
            return None
        if are_chunks(self.inner, folders):
            self.notes.append(f"folders {names[0]}, {names[1]}, … only number the images")
            return None
        labelled = [index for index, folder in enumerate(folders) if folder is not None]
        numbers, label_names = number_texts([folder for folder in folders if folder is not None])
        values = np.full(len(folders), UNLABELLED, np.int64)
        values[labelled] = numbers
        return _Found(Labels(values, label_names, "folders"))

    def _train_only(self, items: Sequence) -> list:
        if not self.layout.held_out:
            return list(items)
        return [item for item, held_out in zip(items, self.layout.held_out, strict=True) if not held_out]

    def _find_top(self, bases: Sequence[str]) -> list[str]:
        """List the files of these names that are not below pictures of another folder, the uppermost first."""
        found = [name for name in self.listing.others if name.rpartition("/")[2] in bases and self._covers(name)]
        return sorted(found, key=lambda name: (name.count("/"), bases.index(name.rpartition("/")[2]), name))

    def _list_tables(self) -> Iterator[str]:
        endings = (*TABLES, ".jsonl")
        names = [name for name in self.listing.others if get_ending(name) in endings and name.count("/") <= 2]
        # A data set of text files beside pictures has no table of labels among them.
        folders = Counter((_folder_of(name), get_ending(name)) for name in names)
        keys = {_find_key(name) for name in self.listing.names}
        names = [name for name in names if get_ending(name) != ".txt" or _find_key(name) not in keys]
        few = [name for name in names if folders[_folder_of(name), get_ending(name)] <= _MOST_TABLES]
        return iter(sorted(few, key=lambda name: (name.count("/"), name)))

    def _covers(self, name: str) -> bool:
        folder = _folder_of(name)
        names = self.listing.names
        return bool(len(names)) and names[0].startswith(folder) and names[-1].startswith(folder)

    def _index_names(self, folder: str) -> dict[str, int]:
        if folder not in self._indices:
            self._indices = {folder: index_names(self.listing.names, folder)}
        return self._indices[folder]

    def _add_note(self, name: str, error: BaseException) -> None:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        self.notes.append(f"found {_shorten(name)}, not used: {_shorten(reason, 300)}")


def _spread(converted: ConvertedColumns, indices: Sequence[int], count: int) -> np.ndarray:
    """Return labels of `count` images, given those at `indices`; the others have no label."""
    values = converted.values
    if len(indices) == count:
        return values
    spread = np.full((count, *values.shape[1:]), np.nan) if values.ndim > 1 else np.full(count, UNLABELLED, np.int64)
    spread[list(indices)] = values
    return spread


def _find_key(name: str) -> str:
    """Return the KEY of WebDataset: the path up to the first dot of the file name."""
    folder, slash, base = name.rpartition("/")
    return f"{folder}{slash}{base.partition('.')[0]}"


def _folder_of(name: str) -> str:
    folder, slash, _ = name.rpartition("/")
    return f"{folder}{slash}"


def _read_classes(files: Iterable[tuple[str, bytes]]) -> dict[str, list[str]]:
    rows = {}
    for file, content in files:
        text = " ".join(content.decode("utf-8", "replace").split())
        if not text or len(text) > 100:
            raise ValueError(f"{short_repr(file)} holds no class")
        rows[file] = [text]
    return rows


def _read_objects(files: Iterable[tuple[str, bytes]]) -> dict[str, list[str]] | None:
    """Read the class in each JSON object; None if the first has no class."""
    rows: dict[str, list[str]] = {}
    for file, content in files:
        row = parse_json_object(content)
        title = choose_name(list(row))
        if title is None and not rows:
            return None
        rows[file] = [row[title] if title else ""]
    return rows


def _shorten(text: str, most: int = 80) -> str:
    printable = "".join(character if character.isprintable() else "?" for character in text)
    return printable if len(printable) <= most else f"{printable[:most]}…"
