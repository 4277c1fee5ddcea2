"""Doubts about labels: names of classes that may be mistakes, and annotations beside pictures that are not read."""

import re
from collections.abc import Iterator, Sequence

from alae_core._support.text import short_repr
from alae_workbench.data.listing import Listing, get_base, get_ending, remove_ending

# Texts that programs write for a missing value, and that a column of classes may hold.
_MISSING = {"NA", "N/A", "n/a", "#N/A", "NULL", "null", "None", "?"}
# Tables of other programs.
_UNREAD_TABLES = (".xlsx", ".xls", ".ods", ".parquet", ".feather")
# Arrays of other programs, which hold labels if their names say so, as imagelabels.mat of Oxford's flowers.
_UNREAD_ARRAYS = (".mat", ".npy", ".npz", ".pkl", ".pickle", ".pt", ".pth", ".h5", ".hdf5")
_LABELS = ("label", "target", "anno")
# Endings of files with the boxes of one image, which has their name: as Pascal VOC and YOLO store them.
_VOC, _YOLO = ".xml", ".txt"
_YOLO_BOX = re.compile(rb"\s*\d+(\s+[-+.\deE]+){4}")
# Maximum bytes of such a file.
_MOST_BYTES = 2**16


def find_doubtful_names(names: Sequence[str]) -> Iterator[str]:
    """Find names of classes that differ only in case or spaces, and those that stand for a missing value."""
    first: dict[str, str] = {}
    for name in names:
        same = first.setdefault(" ".join(name.lower().split()), name)
        if same != name:
            yield f"{short_repr(same)} and {short_repr(name)} are two classes: rename one if they are the same"
            break
    missing = next((name for name in names if name in _MISSING), None)
    if missing is not None:
        yield f"{missing!r} is a class: leave its images out if it stands for a missing value"


def find_unread_annotations(listing: Listing) -> Iterator[str]:
    """Find tables and arrays of other programs, and files with the boxes of at least half of the pictures."""
    table = next((name for name in sorted(listing.others) if get_ending(name) in _UNREAD_TABLES), None)
    if table:
        yield f"found {get_base(table)}, not used: save it as .csv"
    array = next((name for name in sorted(listing.others) if _is_array_of_labels(name)), None)
    if array:
        yield f"found {get_base(array)}, not used: store the labels with the names of the images in a .csv file"
    files_of = {
        ending: {_get_stem(name): name for name in listing.others if get_ending(name) == ending}
        for ending in (_VOC, _YOLO)
    }
    # Most data sets have no such files, and may have millions of pictures.
    stems = set(map(_get_stem, listing.names)) if any(files_of.values()) else set()
    for ending, files in files_of.items():
        named = sorted(files.keys() & stems)
        if 2 * len(named) >= len(stems) > 0 and (ending == _VOC or _has_yolo_box(listing, files[named[0]])):
            yield f"found boxes in {len(named):,} {ending} files, not used: they are not labels of images"


def _is_array_of_labels(name: str) -> bool:
    at_top = "/" not in name
    return at_top and get_ending(name) in _UNREAD_ARRAYS and any(word in name.lower() for word in _LABELS)


def _has_yolo_box(listing: Listing, name: str) -> bool:
    try:
        return bool(_YOLO_BOX.match(listing.read(name, _MOST_BYTES)))
    except (OSError, ValueError):
        return False


def _get_stem(name: str) -> str:
    return get_base(remove_ending(name))
