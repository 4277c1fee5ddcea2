"""The layout of picture files in folders: a shared top folder, splits such as train and val, and class folders."""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Literal

from alae_workbench.data.listing import get_base

Split = Literal["train", "held out"]

_TRAIN = {"train", "training", "trainset", "trn"}
_HELD_OUT = {
    *("test", "testing", "testset", "tst", "val", "valid", "validation", "valset", "dev", "eval", "evaluation"),
    *("holdout", "heldout", "pred", "predict", "prediction", "query"),
}
# Words beside those above in the name of a split, such as training_set, seg_train and images_val.
_BESIDE = {"set", "data", "dataset", "image", "images", "img", "imgs", "seg", "split", "folder", "full", "mini", ""}
# Folders between a split and its classes, or its pictures.
_WRAPPERS = {"image", "images", "img", "imgs", "jpegimages", "jpg", "jpeg", "png", "pictures", "photos"}
# Folders of masks beside images.
_MASKS = {"mask", "masks", "label", "labels", "annotation", "annotations", "segmentation", "segmentations", "gt"}
_WORD = re.compile(r"[a-z]+|[0-9]+|[^a-z0-9]+")
# StyleGAN's tools and FFHQ distribute images over folders of a thousand: 00000/img00000000.png, 31000/31042.png.
_CHUNK = re.compile(r"\d{5,}")
_DOMAIN = re.compile(r"(?P<split>train|test|val)(?P<domain>[A-Z])", re.IGNORECASE)
_DIGITS = re.compile(r"\d+")
_LAST_NUMBER = re.compile(r"(\d+)\D*$")


def find_split(name: str, shared: Collection[str] = ()) -> Split | None:
    """Return the split that a folder or file is named after, such as train2017, Val or test_set; None for others.

    Words that all folders share, such as `cars` of cars_train and cars_test, do not matter.
    """
    words = _list_words(name)
    splits = [word for word in words if word in _TRAIN or word in _HELD_OUT]
    if not splits or any(word not in _BESIDE and word not in splits and word not in shared for word in words):
        return None
    return "train" if all(word in _TRAIN for word in splits) else "held out"


def _list_words(name: str) -> list[str]:
    return [word for word in _WORD.findall(name.lower()) if word.isalpha()]


def _find_splits(names: Collection[str]) -> dict[str, Split | None]:
    """Return the split of each folder; `find_split` of all together."""
    words = [frozenset(_list_words(name)) for name in names]
    shared: frozenset[str] = frozenset.intersection(*words) if words else frozenset()
    return {name: find_split(name, shared) for name in names}


@dataclass(frozen=True)
class Layout:
    """How picture files are distributed over folders.

    Attributes:
        held_out: for each picture whether it is in a held-out split; empty if there are no splits.
        folders: for each picture the folder that would be its class, or None outside of all class folders.
    """

    held_out: Sequence[bool] = field(default=(), repr=False)
    folders: Sequence[str | None] = field(default=(), repr=False)


def find_layout(names: Sequence[str], containers: Sequence[str] = ()) -> Layout:
    """Find the splits and the class folders of pictures.

    Folders that all pictures share are ignored. Splits are the folders below, if each of them is named after a split
    and one of them is for training, or the folders within class folders. Class folders are the next ones. The folders
    trainA, trainB, testA and testB of CycleGAN have the splits and the classes in their names.

    Args:
        names: the pictures' paths, with forward slashes.
        containers: for each picture the archive that holds it, if there are several; they may be named after splits or
            classes.
    """
    parts = [name.split("/")[:-1] for name in names]
    level = _count_shared(parts)
    found = [_at(folders, level) for folders in parts]
    domains = _find_domains({folder or "" for folder in found})
    if domains:
        pairs = [domains[folder or ""] for folder in found]
        return Layout([split != "train" for split, _ in pairs], [domain for _, domain in pairs])
    archives = [find_split(container) for container in containers]
    if archives and None not in archives and len(set(archives)) > 1:
        return Layout([split == "held out" for split in archives], found)
    for split_level, class_level in ((level, level + 1), (level + 1, level)):
        splits = _find_splits({_at(folders, split_level) or "" for folders in parts})
        if {"train", "held out"} == set(splits.values()):
            held_out = [splits[_at(folders, split_level) or ""] == "held out" for folders in parts]
            if class_level < split_level:
                return Layout(held_out, [_at(folders, class_level) for folders in parts])
            return Layout(held_out, [_find_class(folders, class_level) for folders in parts])
    return Layout((), containers if _are_classes(containers) and not any(found) else found)


def _find_domains(folders: Collection[str]) -> dict[str, tuple[str, str]]:
    """Return the split and the class of each folder, such as testA; {} unless all have such names, of both splits."""
    matches = {folder: match for folder in folders if (match := _DOMAIN.fullmatch(folder))}
    domains = {folder: (match["split"].lower(), match["domain"]) for folder, match in matches.items()}
    complete = len(domains) == len(folders) and {"train", "test"} <= {split for split, _ in domains.values()}
    return domains if complete else {}


def _are_classes(containers: Sequence[str]) -> bool:
    """Whether archives are named after classes, such as cats and dogs; shard-00 and shard-01 are only numbered."""
    names = set(containers)
    return len({_DIGITS.sub("", name) for name in names}) == len(names) > 1


def are_chunks(names: Sequence[str], folders: Sequence[str | None]) -> bool:
    """Whether folders only divide numbered images into thousands, such as 00000/img00000000.png of StyleGAN."""
    return all(_is_in_chunk(name, folder or "") for name, folder in zip(names, folders, strict=True))


def _is_in_chunk(name: str, folder: str) -> bool:
    number = _LAST_NUMBER.search(get_base(name).partition(".")[0])
    if not number or not _CHUNK.fullmatch(folder) or len(number[1]) > 18 or len(folder) > 18:
        return False
    thousand = int(number[1]) // 1000
    return int(folder) in (thousand, 1000 * thousand)


def find_doubts(names: Sequence[str], folders: Sequence[str | None], classes: Sequence[str]) -> Iterator[str]:
    """Find reasons to doubt class folders: splits, masks, versions of images, and numbers out of order."""
    kinds = {name: find_split(name) for name in classes}
    if all(kinds.values()):
        yield "named after splits, but none is for training: pass --labels none if they are not classes"
    elif {"train", "held out"} <= set(kinds.values()):
        other = next(name for name in classes if not kinds[name])
        yield f"some are named after splits, but not {other}: if they are not classes, move {other} elsewhere"
    masks = next((name for name in classes if name.lower() in _MASKS), None)
    if masks:
        stems: dict[bool, set[str]] = {True: set(), False: set()}
        for name, folder in zip(names, folders, strict=True):
            stems[folder == masks].add(get_base(name).partition(".")[0])
        if stems[True] <= stems[False]:
            yield f"folder {masks} has pictures of the same names as the others: if they are masks, give another folder"
    inside = _list_folders_below(names, folders)
    first = next(iter(inside.values()), set())
    if len(first) > 1 and len(inside) == len(classes) > 1 and all(found == first for found in inside.values()):
        some, one = ", ".join(sorted(first)[:3]), ", ".join(classes[:3])
        yield f"each holds the same folders, such as {some}: if these are the classes, give one of {one}"
    if all(map(_DIGITS.fullmatch, classes)):
        in_order = sorted(classes, key=int)
        at = next((i for i, name in enumerate(in_order) if name != classes[i]), None)
        if at is not None:
            yield f"in alphabetical order: class {at} is {classes[at]}"


def _list_folders_below(names: Sequence[str], folders: Sequence[str | None]) -> dict[str, set[str]]:
    """Return the folders directly in each class folder."""
    found: dict[str, set[str]] = {}
    for name, folder in zip(names, folders, strict=True):
        parts = name.split("/")[:-1]
        if folder in parts:
            found.setdefault(folder, set()).update(parts[parts.index(folder) + 1 :][:1])
    return found


def _count_shared(parts: Sequence[list[str]]) -> int:
    """Return the number of folders that all pictures share."""
    first, last = (min(parts), max(parts)) if parts else ([], [])
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False)))


def _at(folders: Sequence[str], level: int) -> str | None:
    return folders[level] if level < len(folders) else None


def _find_class(folders: Sequence[str], level: int) -> str | None:
    """Return the class folder below a split; train/train/cat and train/images/cat have one folder more."""
    while level < len(folders) and (find_split(folders[level]) or folders[level].lower() in _WRAPPERS):
        level += 1
    return _at(folders, level)
