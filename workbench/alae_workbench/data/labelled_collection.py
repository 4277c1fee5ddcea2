"""Collections of listed picture files, with their labels and splits."""

import os
import re
from collections import Counter
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from pathlib import Path

import numpy as np

from alae_core._support.files import read_regular
from alae_workbench.data.collection import Collection, LazySequence
from alae_workbench.data.formats.text_table import TABLES
from alae_workbench.data.label_choice import UP, ChosenLabels
from alae_workbench.data.labels import Labels, as_labels, is_labelled
from alae_workbench.data.listing import NOT_PICTURE, UNLABELLED_HELD_OUT, Listing, Skipped, get_ending
from alae_workbench.data.picture_file import Member

# Words in the names of tables beside the data that may hold its labels: CelebA has list_attr_celeba.txt beside
# img_align_celeba, and CelebAMask-HQ CelebAMask-HQ-attribute-anno.txt beside CelebA-HQ-img.
_BESIDE = {"label", "labels", "attr", "attribute", "attributes", "anno", "annotation", "annotations", "groundtruth"}
_WORD = re.compile(r"[^a-z]+")


def count_others(listing: Listing, label_files: AbstractSet[str] = frozenset()) -> Skipped:
    """Count the skipped files of a source, including those that are neither pictures nor files of labels."""
    skipped = Counter(listing.skipped)
    others = (name for name in listing.others if name not in label_files and not name.startswith(UP))
    skipped.update((NOT_PICTURE, get_ending(name)) for name in others)
    return skipped


def add_tables_beside(path: Path, stem: str, listing: Listing) -> Listing:
    """Add tables of labels in the parent folder of a data source to its other files, as `../NAME`.

    They are called like the source, or have a word such as labels or attributes in their names.

    Args:
        path: the data source.
        stem: its name without an ending.
        listing: its files.
    """

    def is_wanted(name: str) -> bool:
        own = name.rpartition(".")[0].lower()
        return get_ending(name) in TABLES and (own == stem.lower() or not _BESIDE.isdisjoint(_WORD.split(own)))

    return _add_tables(path.absolute().parent, UP, is_wanted, listing)


def add_tables_of_folder(folder: Path, listing: Listing) -> Listing:
    """Add the tables in a folder of archives to the other files of the archives."""
    return _add_tables(folder, "", lambda name: get_ending(name) in (*TABLES, ".json", ".jsonl"), listing)


def _add_tables(folder: Path, prefix: str, is_wanted: Callable[[str], bool], listing: Listing) -> Listing:
    try:
        with os.scandir(folder) as entries:
            found = {
                f"{prefix}{entry.name}": folder / entry.name
                for entry in entries
                if is_wanted(entry.name) and entry.is_file()
            }
    except OSError:
        found = {}
    if not found:
        return listing

    def read(name: str, most: int) -> bytes:
        return read_regular(found[name], most) if name in found else listing.read(name, most)

    return replace(listing, others=frozenset((*listing.others, *found)), read=read)


def make_collection(
    listing: Listing, chosen: ChosenLabels, files: Sequence[Path | Member], stored: Sequence[Path]
) -> Collection:
    """Make a collection of listed pictures: training images, and the held-out split as `test` if there is one.

    If the training images have labels, held-out images without a label are skipped.

    Args:
        listing: the files of the source.
        chosen: the labels of all pictures, and which of them are held out.
        files: the pictures, in the order of `listing.names`.
        stored: the files on disk that pictures and labels are read from.
    """
    labels = chosen.labels
    skipped = count_others(listing, chosen.files)
    if not chosen.held_out:
        return Collection(files, listing.names, labels.values, labels.names, stored, str(labels), skipped)
    held_out = np.array(chosen.held_out)
    test = held_out & is_labelled(labels.values) if labels.values is not None else held_out
    names = listing.names
    skipped.update(
        (UNLABELLED_HELD_OUT, get_ending(names[index])) for index in np.flatnonzero(held_out & ~test).tolist()
    )
    parts = [_select(listing, files, stored, labels, np.flatnonzero(which)) for which in (~held_out, test)]
    train, rest = parts
    return Collection(
        train.files,
        train.names,
        train.labels,
        train.label_names,
        stored,
        train.label_text,
        skipped,
        rest if len(rest) else None,
    )


def _select(
    listing: Listing, files: Sequence[Path | Member], stored: Sequence[Path], labels: Labels, indices: np.ndarray
) -> Collection:
    values = None if labels.values is None else as_labels(labels.values[indices])
    text = str(Labels(values, labels.names, labels.origin, labels.notes))
    count = len(indices)
    skipped: Skipped = Counter()
    return Collection(
        LazySequence(count, lambda at: files[indices[at]]),
        LazySequence(count, lambda at: listing.names[indices[at]]),
        values,
        labels.names,
        stored,
        text,
        skipped,
    )
