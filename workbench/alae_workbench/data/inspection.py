"""Looking at data before anything is made of it: what there is, whether it is whole, and a sheet of it to see."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from alae_core.images import to_float
from alae_core.sizes import amount
from alae_workbench.data.collection import Pictures, as_pictures
from alae_workbench.data.load import pictures_in, read_whole
from alae_workbench.data.pictures import fault, glance, read_image
from alae_workbench.data.prepared.layout import Manifest, Stored, stored
from alae_workbench.data.prepared.reading import Prepared
from alae_workbench.data.source import DataError, by
from alae_workbench.figures.grid import compose_grid, split_rows
from alae_workbench.models.sampling import ROW

# Rows of a sheet, and pixels a side of what is larger.
_ROWS, _CELL = 8, 96
# What is listed by name: so many classes, sizes, or files that cannot be read.
_MOST = 10


@dataclass(frozen=True)
class Inspection:
    """What was seen.

    Attributes:
        lines: in words.
        sheet: images spread evenly over all of them; of classes a row each.
    """

    lines: tuple[str, ...]
    sheet: Image.Image


#: says how far something has come: how many there are and what they are called, and then how many more are done
Watch = Callable[[int, str], AbstractContextManager[Callable[[int], None]]]


def _unwatched(total: int, what: str) -> AbstractContextManager[Callable[[int], None]]:
    return nullcontext(lambda more: None)


def inspect(name: str, watch: Watch = _unwatched) -> Inspection:
    """Look at some data.

    Of image files all headers are read; of a prepared set all files, whose hashes are compared with the manifest's.

    Args:
        name: the data, as `training.data` names it.
        watch: who is told how far it has come, such as `progress.counted`.

    Raises DataError where there is no such data, it cannot be read, or a file of a prepared set is damaged.
    """
    found = read_whole(name)
    if found is None:
        pictures = pictures_in(name)
        return Inspection(tuple(_of_pictures(name, pictures, watch)), _sheet(name, {"": pictures}))
    parts = {"": found.images} if found.test is None else {"to train on": found.images, "to test on": found.test}
    lines = []
    if isinstance(found.images, Prepared):
        lines.append(_verified(found.images.path, found.images.manifest, watch))
    for part, source in parts.items():
        lines.append(f"{len(source):,} images{f' {part}' if part else ''}, of {by(source.shape)}")
        names = found.images.manifest.label_names if isinstance(found.images, Prepared) else ()
        lines += _of_labels(source.labels, names)
    if found.taken:
        lines.append(f"taken {found.taken}")
    if found.skipped:
        lines.append(f"{found.skipped:,} more could not be read, and were left out: left-out.txt")
    return Inspection(
        (f"{name}: {lines[0]}", *lines[1:]),
        _sheet(name, {part: as_pictures(source, name) for part, source in parts.items()}),
    )


def _verified(path: Path, manifest: Manifest, watch: Watch) -> str:
    files = list(_files(path, manifest))
    total, damaged = sum(there.size for _, there in files), []
    with watch(len(files), "files") as told:
        for file, there in files:
            try:
                if stored(file) != there:
                    damaged.append(file)
            except OSError as error:
                raise DataError(f"{file} cannot be read: {error.strerror}") from error
            told(1)
    if damaged:
        raise DataError(
            f"{len(damaged)} of {len(files):,} files are damaged, the first {damaged[0]}: its SHA-256 is not that of "
            f"the manifest; copy or prepare the set again"
        )
    levels = ", ".join(map(str, manifest.levels))
    return (
        f"prepared by alae {manifest.alae} of {manifest.source}, at {levels} pixels a side, {amount(total)} in "
        f"{len(files):,} files, whose hashes are all as the manifest says"
    )


def _files(path: Path, manifest: Manifest) -> Iterator[tuple[Path, Stored]]:
    for name, part in manifest.parts.items():
        for level in range(len(manifest.levels)):
            for file, shard in zip(manifest.files(name, level), part.shards, strict=True):
                yield path / file, shard.files[level]
        for beside, there in (("labels.npy", part.labels), ("names.txt", part.names)):
            if there is not None:
                yield path / name / beside, there


def _of_pictures(name: str, pictures: Pictures, watch: Watch) -> Iterator[str]:
    sizes: Counter[tuple[int, int]] = Counter()
    coloured, bad = 0, []
    with watch(len(pictures), "images") as told:
        for picture, called in zip(pictures.files, pictures.names, strict=True):
            seen = glance(picture)
            if seen is None:
                bad.append(called)
            else:
                sizes[seen[0], seen[1]] += 1
                coloured += seen[2]
            told(1)
    if not sizes:
        raise DataError(f"none of the {len(pictures):,} images in {name} can be read: {fault(pictures.files[0])}")
    readable = len(pictures) - len(bad)
    colours = {0: "all grey", readable: "all in colour"}.get(coloured, f"{coloured:,} in colour, the others grey")
    yield f"{name}: {readable:,} images, {colours}"
    yield _of_sizes(sizes)
    yield from _of_labels(pictures.labels, pictures.label_names)
    if bad:
        yield f"{len(bad):,} more cannot be read: {_listed(bad)}"


def _of_sizes(sizes: Counter[tuple[int, int]]) -> str:
    if len(sizes) == 1:
        ((width, height),) = sizes
        return f"each of {width}×{height} pixels"
    shorter = sorted(min(size) for size in sizes.elements())
    (width, height), most = sizes.most_common(1)[0]
    return (
        f"{len(sizes):,} sizes, most often {width}×{height} ({most:,}); shorter sides from {shorter[0]:,} to "
        f"{shorter[-1]:,} pixels, {shorter[len(shorter) // 2]:,} in the median"
    )


def _of_labels(labels: np.ndarray | None, names: Sequence[str]) -> list[str]:
    if labels is None:
        return []
    if labels.ndim == 1:
        classes = [f"{name}: {count:,}" for name, count in _classes(labels, names).items()]
        return [f"{len(classes)} classes: {_listed(classes)}"]
    columns = [
        f"{name} {column.min():g} … {column.max():g}, {column.mean():.3g} on average"
        for name, column in zip(names or map(str, range(labels.shape[1])), labels.T, strict=True)
    ]
    return [f"{len(columns)} attributes: {_listed(columns, '; ')}"]


def _classes(labels: np.ndarray, names: Sequence[str]) -> dict[str, int]:
    numbers, counts = np.unique(labels, return_counts=True)
    called = [names[number] if 0 <= number < len(names) else str(number) for number in numbers]
    return {name: int(count) for name, count in zip(called, counts, strict=True)}


def _listed(words: Sequence[str], between: str = ", ") -> str:
    more = f"{between}and {len(words) - _MOST:,} more" if len(words) > _MOST else ""
    return between.join(words[:_MOST]) + more


def _sheet(name: str, parts: dict[str, Pictures]) -> Image.Image:
    sections = []
    for part, pictures in parts.items():
        for title, places in _groups(pictures, _ROWS // len(parts)):
            images = _seen(pictures, places)
            if len(images):
                sections.append((" · ".join(filter(None, (part, title))), split_rows(images)))
    count = sum(map(len, parts.values()))
    return compose_grid(sections, f"{Path(name).name} · {count:,} images")


def _groups(pictures: Pictures, rows: int) -> Iterator[tuple[str, np.ndarray]]:
    """What stands in the rows of a sheet: a title, and which pictures."""
    labels = pictures.labels
    if labels is None or labels.ndim > 1 or len(np.unique(labels)) > 2 * _ROWS:
        yield "evenly spread over all", _spread(np.arange(len(pictures)), rows * ROW)
        return
    for number in np.unique(labels):
        places = np.flatnonzero(labels == number)
        called = pictures.label_names[number] if 0 <= number < len(pictures.label_names) else f"class {number}"
        yield f"{called}: {len(places):,}", _spread(places, ROW)


def _spread(places: np.ndarray, count: int) -> np.ndarray:
    return places[np.unique(np.linspace(0, len(places) - 1, min(count, len(places))).round().astype(int))]


def _seen(pictures: Pictures, places: np.ndarray) -> np.ndarray:
    """Pictures as a sheet shows them, those that can be read: small squares as they are, others whole within a cell."""
    some = [pictures.files[int(place)] for place in places]
    sizes = {size[:2] for size in map(glance, some) if size is not None}
    width, height = sizes.pop() if len(sizes) == 1 else (_CELL, _CELL)
    shape = (height, width, 3) if width == height <= _CELL else (_CELL, _CELL, 3)
    images = []
    for picture in some:
        with suppress(DataError):
            images.append(read_image(picture, shape, "pad"))
    return to_float(np.stack(images)) if images else np.empty(0)
