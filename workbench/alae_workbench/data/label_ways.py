"""The ways to label pictures: by a file of StyleGAN, the Hub or WebDataset, by tables, and by class folders."""

import csv
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from alae_core._support.files import read_regular
from alae_core._support.text import short_repr
from alae_workbench.data.formats.json_table import AnnotationsError, parse_dataset_json, parse_json_lines
from alae_workbench.data.formats.key_files import find_key, read_classes, read_objects
from alae_workbench.data.formats.text_table import TABLES, parse_text_table
from alae_workbench.data.label_columns import CLASS_TITLES, UnmatchedError, convert_columns, require_some_rows
from alae_workbench.data.label_doubts import find_doubtful_names
from alae_workbench.data.label_matching import Columns, Table, index_names, match_rows
from alae_workbench.data.labels import Labels, number_texts, spread_labels
from alae_workbench.data.listing import Listing, get_base, get_ending
from alae_workbench.data.source import UNLABELLED, DataError, describe_error
from alae_workbench.data.splits import Layout, are_chunks, find_doubts

#: choices of the user that are not a file, an array or a column
NONE, FOLDERS = "none", "folders"
# Maximum bytes of a table: enough for CelebA's forty attributes for 3 million images. Maximum bytes of a small file.
_MOST_BYTES, _MOST_SMALL_BYTES = 2**28, 2**16
# Maximum number of tables that are tried.
_MOST_TABLES = 20
_DATASET, _METADATA = ("dataset.json", "labels.json"), ("metadata.csv", "metadata.jsonl")
_CLS, _JSON = ".cls", ".json"
_BROKEN = (OSError, ValueError, csv.Error, RecursionError, MemoryError)


@dataclass(frozen=True, eq=False)
class LabelledPictures:
    """The labels of all pictures, and the files that they were read from; held-out pictures may be `UNLABELLED`."""

    labels: Labels
    files: frozenset[str] = frozenset()


class LabelWays:
    """The ways to label the pictures of a listing; each returns None if it does not label every training picture.

    Attributes:
        notes: labels that were found but not used, and why.
    """

    def __init__(self, listing: Listing, layout: Layout, inner: Sequence[str]) -> None:
        self.listing, self.layout, self.inner = listing, layout, inner
        self.notes: list[str] = []
        self._indices: dict[str, dict[str, int]] = {}

    def require(self, found: LabelledPictures | None, choice: str) -> LabelledPictures:
        """Return labels of the user's choice. Raises DataError with the reasons if there are none."""
        if found is None:
            notes = "; ".join(note.removeprefix(f"found {choice}, not used: ") for note in self.notes)
            raise DataError(f"the labels cannot be read from {choice}: {notes or 'there are none'}")
        return found

    def label_by_choice(self, choice: str) -> LabelledPictures:
        """Label pictures by a file of the source or elsewhere, or by a column of it: FILE:COLUMN.

        Raises DataError if there is no such file, or it does not label every training picture.
        """
        others = {name: name for name in self.listing.others}
        for name in self.listing.others:
            others.setdefault(get_base(name), name)
        file, column = choice, ""
        if choice not in others and not Path(choice).is_file():
            file, _, column = choice.rpartition(":")
        if file not in others and not (file and Path(file).is_file()):
            raise DataError(
                f"there is no file {short_repr(file or choice)} for the labels; the data holds "
                f"{', '.join(map(short_repr, self._tables[:5])) or 'no tables'}; or choose {FOLDERS} "
                f"or {NONE}"
            )
        name = others.get(file, file)
        if get_base(name) in _DATASET:
            return self.require(self.label_by_dataset_json([name]), choice)
        return self.require(self._label_by_table([name], chosen=True, column=column), choice)

    def label_by_dataset_json(self, names: Sequence[str] = ()) -> LabelledPictures | None:
        """Label pictures by the uppermost `dataset.json`, or by those of the given names."""
        for name in names or self._find_top(_DATASET):
            try:
                table = parse_dataset_json(self._read(name))
                if table is None:
                    return LabelledPictures(Labels(notes=(f"{name} says so",)), frozenset({name}))
                return self._convert([(name, table)], chosen=True)
            except _BROKEN as error:
                self._add_note(name, error)
        return None

    def label_by_metadata(self) -> LabelledPictures | None:
        """Label pictures by the `metadata.csv` or `metadata.jsonl` in their folders."""
        for base in _METADATA:
            names = [name for name in self._tables if get_base(name) == base]
            found = self._label_by_table(names) if names else None
            if found:
                return found
        return None

    def label_by_key(self) -> LabelledPictures | None:
        """Label pictures by the file KEY.cls or KEY.json beside each of them."""
        others = self.listing.others
        if not any(name.endswith((_CLS, _JSON)) for name in others):
            return None
        keys = [find_key(name) for name in self.listing.names]
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
                rows = read_classes(contents) if ending == _CLS else read_objects(contents)
                if rows is None:
                    continue
                return self._to_labels(
                    [rows.get(file) for file in files],
                    f"KEY{ending}",
                    frozenset(file for file in files if file in others),
                )
            except _BROKEN as error:
                self._add_note(f"KEY{ending}", error)
        return None

    def label_by_tables(self) -> LabelledPictures | None:
        """Label pictures by the only table whose rows name them."""
        fitting = []
        names = [name for name in self._tables if get_base(name) not in _METADATA]
        bases = Counter(get_base(name) for name in names)
        for base in list(bases)[:_MOST_TABLES]:
            found = self._label_by_table([name for name in names if get_base(name) == base])
            if found:
                fitting.append(found)
        if len(fitting) < 2:
            return fitting[0] if fitting else None
        origins = " and ".join(found.labels.origin for found in fitting[:3])
        self.notes.insert(0, f"{origins} all name the images: choose one with --labels")
        return None

    def _label_by_table(
        self, names: Sequence[str], *, chosen: bool = False, column: str = ""
    ) -> LabelledPictures | None:
        """Label pictures by a table, or by several of one name in different folders."""
        # Most files of text and JSON are not tables, so only one that names some of the images is mentioned.
        is_text = get_ending(names[0]) in (".txt", _JSON) and not chosen
        try:
            tables = [(name, self._parse(name)) for name in names]
        except _BROKEN as error:
            if not is_text or isinstance(error, AnnotationsError):
                self._add_note(names[0], error)
            return None
        try:
            return self._convert(tables, chosen=chosen, column=column)
        except _BROKEN as error:
            if not (is_text and isinstance(error, UnmatchedError)):
                self._add_note(names[0], error)
            return None

    def _read(self, name: str) -> bytes:
        in_source = name in self.listing.others
        return self.listing.read(name, _MOST_BYTES) if in_source else read_regular(Path(name), _MOST_BYTES)

    def _parse(self, name: str) -> Table:
        content = self._read(name)
        if get_ending(name) == ".jsonl":
            return parse_json_lines(content)
        if get_ending(name) == _JSON:
            return parse_dataset_json(content) or Table(None, iter(()), 1)
        return parse_text_table(content, self._index_names(_folder_of(name)))

    def _convert(
        self, tables: Iterable[tuple[str, Table]], *, chosen: bool = False, column: str = ""
    ) -> LabelledPictures:
        """Convert tables, or one column, to labels of all training pictures. Raises ValueError as `convert_columns`."""
        rows: list[list[str] | None] = [None] * len(self.inner)
        titles: list[str] = []
        files, example = [], ""
        for name, table in tables:
            columns = match_rows(table, self._index_names(_folder_of(name)), len(self.inner))
            if titles and columns.titles != titles:
                raise ValueError("its columns differ from those of the table of the same name in another folder")
            titles, example = columns.titles, example or columns.example
            rows = [new if new is not None else old for old, new in zip(rows, columns.rows, strict=True)]
            files.append(name)
        require_some_rows(rows, self.inner, example)
        if column:
            if column not in titles:
                raise ValueError(f"it has no column {short_repr(column)}; it has {', '.join(map(short_repr, titles))}")
            at = titles.index(column)
            titles, rows = [column], [row and [row[at]] for row in rows]
        return self._to_labels(rows, get_base(files[0]), frozenset(files), titles, chosen=chosen)

    def _to_labels(
        self,
        rows: Sequence[list[str] | None],
        origin: str,
        files: frozenset[str],
        titles: Sequence[str] = (CLASS_TITLES[0],),
        *,
        chosen: bool = False,
    ) -> LabelledPictures:
        # Held-out pictures without a row have no label, but training pictures need one.
        held_out = self.layout.held_out or [False] * len(rows)
        labelled = [index for index, row in enumerate(rows) if row is not None or not held_out[index]]
        if not labelled:
            raise ValueError("there are no images to train on")
        columns = Columns(list(titles), [rows[index] for index in labelled])
        converted = convert_columns(columns, [self.inner[index] for index in labelled], chosen=chosen)
        values = spread_labels(converted.values, labelled, len(rows))
        notes = (f"not used: {'; '.join(converted.unused[:3])}",) if converted.unused else ()
        doubts = find_doubtful_names(converted.names) if values.ndim == 1 else ()
        return LabelledPictures(Labels(values, converted.names, origin, (*notes, *doubts)), files)

    def label_by_folder(self) -> LabelledPictures | None:
        """Label pictures by their class folders, if there are at least two."""
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
        notes = [*find_doubts(self.inner, folders, label_names), *find_doubtful_names(label_names)]
        notes += [f"folder {name} is only in the held-out split" for name in label_names if name not in names][:1]
        return LabelledPictures(Labels(values, label_names, "folders", tuple(notes)))

    def _train_only(self, items: Sequence) -> list:
        if not self.layout.held_out:
            return list(items)
        return [item for item, held_out in zip(items, self.layout.held_out, strict=True) if not held_out]

    def _find_top(self, bases: Sequence[str]) -> list[str]:
        """List the files of these names that are not below pictures of another folder, the uppermost first."""
        found = [name for name in self.listing.others if get_base(name) in bases and self._covers(name)]
        return sorted(found, key=lambda name: (name.count("/"), bases.index(get_base(name)), name))

    @cached_property
    def _tables(self) -> list[str]:
        """The files that may be tables, the uppermost first."""
        endings = (*TABLES, ".jsonl", _JSON)
        names = [name for name in self.listing.others if get_ending(name) in endings and name.count("/") <= 2]
        # A data set of text or JSON files beside pictures has no table of labels among them.
        folders = Counter((_folder_of(name), get_ending(name)) for name in names)
        keys = {get_base(find_key(name)) for name in self.listing.names}
        names = [
            name
            for name in names
            if get_base(name) not in _DATASET
            and (get_ending(name) not in (".txt", _JSON) or get_base(find_key(name)) not in keys)
        ]
        few = [name for name in names if folders[_folder_of(name), get_ending(name)] <= _MOST_TABLES]
        return sorted(few, key=lambda name: (name.count("/"), name))

    def _covers(self, name: str) -> bool:
        folder = _folder_of(name)
        names = self.listing.names
        return bool(len(names)) and names[0].startswith(folder) and names[-1].startswith(folder)

    def _index_names(self, folder: str) -> dict[str, int]:
        if folder not in self._indices:
            self._indices = {folder: index_names(self.listing.names, folder)}
        return self._indices[folder]

    def _add_note(self, name: str, error: BaseException) -> None:
        self.notes.append(f"found {_shorten(name)}, not used: {_shorten(describe_error(error), 300)}")


def _folder_of(name: str) -> str:
    folder, slash, _ = name.rpartition("/")
    return f"{folder}{slash}"


def _shorten(text: str, most: int = 80) -> str:
    printable = "".join(character if character.isprintable() else "?" for character in text)
    return printable if len(printable) <= most else f"{printable[:most]}…"
