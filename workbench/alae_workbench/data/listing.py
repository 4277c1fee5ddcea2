"""Lists of the files in a folder or an archive: pictures, files that may hold labels, and files that are skipped."""

import os
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from alae_workbench.data.source import DataError

#: number of skipped files by reason and file name ending
Skipped = Counter[tuple[str, str]]

HIDDEN, NOT_PICTURE, NEEDS_HEIF = "hidden", "not images", "they need pip install 'alae[heif]'"
UNFINISHED = "unfinished downloads and backup copies"
REPLACED = "replaced by a later file of the same name"
UNLABELLED_HELD_OUT = "held-out images without a label"
# Files and folders that systems, network drives and Python leave, besides those that begin with a dot.
_LEFTOVERS = frozenset(
    {
        *("__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "@eadir", "#recycle", "#snapshot", "@recycle"),
        *("@recently-snapshot", "$recycle.bin", "recycler", "system volume information", "lost+found"),
        *("network trash folder", "temporary items", "__pycache__"),
    }
)
# Maximum number of endings that are listed for each reason, and of characters in one.
_MOST_ENDINGS, _MOST_CHARACTERS = 6, 10


@dataclass(frozen=True)
class Listing:
    """The files of a data source.

    Attributes:
        names: the pictures' paths within the source, with forward slashes, sorted by their parts.
        others: the paths of other files, which may hold labels.
        read: reads another file, given its path and the maximum number of bytes. Raises OSError or ValueError.
        skipped: files that are skipped, without `others`.
        containers: the archive that holds each picture, if there are several; it is the first part of the path.
    """

    names: Sequence[str]
    others: Collection[str]
    read: Callable[[str, int], bytes]
    skipped: Skipped = field(default_factory=Counter)
    containers: Sequence[str] = ()


def list_names(folder: Path) -> list[str]:
    """Return the names of the files and folders in a folder, in any order. Raises DataError if it cannot be read."""
    try:
        return os.listdir(folder)
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror}") from error


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name is hidden, or a leftover of a system, such as __MACOSX and @eaDir."""
    return name.startswith(".") or name.lower() in _LEFTOVERS


def get_base(name: str) -> str:
    """Return the last part of a path."""
    return name.rpartition("/")[2]


def get_ending(name: str) -> str:
    """Return a file name's ending with its dot, in lower case; "" if it has none."""
    stem, dot, ending = get_base(name).rpartition(".")
    return f".{ending.lower()}" if stem and dot else ""


def remove_ending(name: str) -> str:
    """Return a path without the ending of its file name."""
    stem, dot, ending = name.rpartition(".")
    return stem if dot and stem and not stem.endswith("/") and "/" not in ending else name


def describe_skipped(skipped: Skipped) -> str:
    """Describe skipped files, such as "3 files skipped: 2 .txt (not images), 1 .png (broken links)"; "" for none."""
    total = sum(skipped.values())
    if not total:
        return ""
    reasons: dict[str, Counter[str]] = {}
    for (reason, ending), count in skipped.items():
        title = ending if ending.isprintable() and len(ending) <= _MOST_CHARACTERS else "with other endings"
        reasons.setdefault(reason, Counter())[title or "without ending"] += count
    parts = []
    for reason, counts in sorted(reasons.items()):
        endings = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        shown = [f"{count:,} {ending}" for ending, count in endings[:_MOST_ENDINGS]]
        more = sum(count for _, count in endings[_MOST_ENDINGS:])
        parts.append(f"{', '.join([*shown, *([f'{more:,} others'] if more else [])])} ({reason})")
    return f"{total:,} file{'s' if total != 1 else ''} skipped: {'; '.join(parts)}"
