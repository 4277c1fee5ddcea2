"""The names of arrays in .npz files: which of them hold images, labels, and their splits."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isqrt
from pathlib import Path

from alae_core._support.text import short_repr, suggest
from alae_workbench.data.label_choice import choose_name
from alae_workbench.data.label_columns import CLASS_TITLES
from alae_workbench.data.options import SourceOptions
from alae_workbench.data.source import DataError
from alae_workbench.data.splits import find_split

#: names of images without that of a split, most likely first; labels have others
IMAGE_TITLES = ("images", "image", "x", "imgs", "img", "pixels", "pictures", "data", "samples", "faces", "")
_LABELS = (*CLASS_TITLES, "latents_classes", "attributes", "attrs", "attr", "latents_values")
# Numbers in a row from which it may be an image of 4×4 pixels.
_LEAST_ROW = 16
_UNNAMED = re.compile(r"arr_\d")
_SPLIT = r"training|train|testing|test|validation|valid|val|dev"
_NAME = re.compile(rf"(?P<before>(?:{_SPLIT})?)[_\-. ]*(?P<stem>.*?)[_\-. ]*(?P<after>(?:{_SPLIT})?)", re.IGNORECASE)


@dataclass(frozen=True)
class Roles:
    """The names of the arrays of images and labels to train on, of held-out ones, and of arrays that are not used.

    Every held-out array of images has a name of labels, which is None if there are no labels for it.
    """

    images: str
    labels: str | None
    test_images: Sequence[str]
    test_labels: Sequence[str | None]
    unused: Sequence[str]


def find_roles(shapes: Mapping[str, tuple[int, ...]], path: Path, options: SourceOptions) -> Roles:
    """Find the arrays of images and of labels by their names, and if those do not tell by their shapes.

    Names are `images` or `x` and the like, with `labels` or `y` and the like, both possibly with the name of a split
    before or after: `x_train`, `train_images`. Of other names, the only array of 3 or 4 axes holds images, and
    `arr_1` the labels of `arr_0`.

    Raises DataError if no array can be identified as images, or there is no array of the user's choice.
    """
    images = {name for name, shape in shapes.items() if len(shape) in (3, 4)}
    by_split = {split: _order(names, IMAGE_TITLES) for split, names in _sort_by_split(images).items()}
    if options.images is not None:
        if options.images not in images:
            raise DataError(
                f"{path} has no array of images {short_repr(options.images)}; it has "
                f"{', '.join(map(short_repr, sorted(images))) or 'none'}{suggest(options.images, sorted(images))}"
            )
        train, tests = options.images, []
    elif by_split.get("train"):
        train = by_split["train"][0]
        tests = [name for name in by_split.get("held out", []) if shapes[name][1:] == shapes[train][1:]]
    else:
        train, tests = _find_without_split(shapes, path, images, by_split.get(None, []))
    labels = find_labels(train, shapes, options)
    test_labels = [find_labels(name, shapes, SourceOptions()) if labels else None for name in tests]
    used = {train, labels, *tests, *test_labels}
    return Roles(train, labels, tests, test_labels, [name for name in shapes if name not in used])


def _find_without_split(
    shapes: Mapping[str, tuple[int, ...]], path: Path, images: set[str], named: Sequence[str]
) -> tuple[str, list[str]]:
    if named:
        return named[0], []
    if len(images) == 1:
        return next(iter(images)), []
    # np.savez(path, x_train, y_train, x_test, y_test) names its arrays by their positions.
    unnamed = [name for name in sorted(images) if _UNNAMED.fullmatch(name)]
    if len(unnamed) == len(images) == 2 and shapes[unnamed[0]][1:] == shapes[unnamed[1]][1:]:
        return unnamed[0], unnamed[1:]
    raise DataError(
        f"{path} must hold 'images' (and optionally 'labels'), 'x_train' (and optionally 'x_test'), or a single array "
        f"of images; it holds {', '.join(shapes) or 'nothing'}{_describe_axes(shapes)}"
    )


def _describe_axes(shapes: Mapping[str, tuple[int, ...]]) -> str:
    """Return how to give rows of pixels and videos as images, for the end of a message; "" for other arrays."""
    for shape in shapes.values():
        if len(shape) == 2 and max(shape) >= _LEAST_ROW:
            sides = [isqrt(length) for length in shape]
            is_row = shape[1] >= _LEAST_ROW and sides[1] ** 2 == shape[1]
            if not is_row and sides[0] ** 2 == shape[0] >= _LEAST_ROW:
                example = f"images.T.reshape(-1, {sides[0]}, {sides[0]})"
                return f" of shape {shape}: if each column is an image, store {example}"
            square = f"images.reshape(-1, {sides[1]}, {sides[1]})"
            example = square if is_row else "images.reshape(-1, H, W, 3)"
            return f" of shape {shape}: if each row is an image, store {example}"
        if len(shape) > 4:
            return f" of shape {shape}: store its frames as images, such as images.reshape(-1, *images.shape[-3:])"
    return ""


def find_labels(images: str, shapes: Mapping[str, tuple[int, ...]], options: SourceOptions) -> str | None:
    """Return the array of labels that belongs to an array of images, by name; None if there is none."""
    others = [name for name in shapes if name != images]
    if options.labels is not None:
        return choose_name(others, options.labels, "array")
    split = _split_name(images)[0]
    same = [name for name in others if _split_name(name)[0] == split and len(shapes[name]) in (1, 2)]
    found = _order(same, _LABELS)
    if found:
        return found[0]
    # Among arrays without names, the next one that is not images and has as many rows.
    if _UNNAMED.fullmatch(images):
        unnamed = [name for name in sorted(same) if _UNNAMED.fullmatch(name) and name > images]
        return next((name for name in unnamed if shapes[name][:1] == shapes[images][:1]), None)
    return None


def _sort_by_split(names: set[str]) -> dict[str | None, list[str]]:
    by_split: dict[str | None, list[str]] = {}
    for name in sorted(names):
        split, _ = _split_name(name)
        by_split.setdefault(split and find_split(split), []).append(name)
    return by_split


def _split_name(name: str) -> tuple[str | None, str]:
    """Return the split in an array's name, or None, and the rest of the name, both in lower case."""
    match = _NAME.fullmatch(name.lower())
    if not match:
        return None, name.lower()
    return (match["before"] or match["after"] or None), match["stem"]


def _order(names: Sequence[str], likely: Sequence[str]) -> list[str]:
    """Return those names that, without their split, are likely ones, the most likely first."""
    stems = {name: _split_name(name)[1] for name in names}
    return sorted((name for name in names if stems[name] in likely), key=lambda name: likely.index(stems[name]))
