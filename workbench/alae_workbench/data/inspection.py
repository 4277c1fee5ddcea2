"""Inspect a data source: describe its images, sizes and labels in text, and verify the files of a prepared set."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import numpy as np

from alae_core._support.text import count_things
from alae_core.sizes import format_bytes
from alae_workbench.data.collection import Collection
from alae_workbench.data.labels import describe_labels, is_labelled
from alae_workbench.data.listing import describe_skipped
from alae_workbench.data.options import DEFAULTS, SourceOptions
from alae_workbench.data.picture_file import describe_fault, read_header
from alae_workbench.data.prepared.reading import PreparedSource
from alae_workbench.data.prepared.set_format import Manifest, StoredFile, hash_file
from alae_workbench.data.reading import decide_reading
from alae_workbench.data.resolve import Contents
from alae_workbench.data.source import DataError, Source, Splits, format_shape, get_label_names

# Maximum number of classes, attributes or files that are listed by name.
_MOST_LISTED = 10

#: takes the total and its unit, and returns a context; the context gives a function to call with each increment
ShowProgress = Callable[[int, str], AbstractContextManager[Callable[[int], None]]]


def _hide_progress(total: int, unit: str) -> AbstractContextManager[Callable[[int], None]]:
    return nullcontext(lambda increment: None)


def inspect(
    name: str,
    contents: Contents,
    show_progress: ShowProgress = _hide_progress,
    options: SourceOptions = DEFAULTS,
) -> list[str]:
    """Describe a data source in lines of text.

    The headers of all picture files are read. All files of a prepared set are read and compared with the hashes in the
    manifest.

    Args:
        name: the data source, as in `training.data`.
        contents: the result of `open_source(name, options)`.
        show_progress: shows progress, such as `runs.progress.show_progress`.
        options: how pictures are read.

    Raises DataError if no picture can be read, or a file of a prepared set is damaged.
    """
    if isinstance(contents, Collection):
        return list(_describe_pictures(name, contents, show_progress, options))
    lines = []
    if isinstance(contents.images, PreparedSource):
        lines.append(_verify(contents.images.path, contents.images.manifest, show_progress))
    for part, source in label_parts(contents).items():
        lines.append(
            f"{count_things(len(source), 'image')}{f' {part}' if part else ''}, of {format_shape(source.shape)}"
        )
        lines += _describe_labels(source.labels, get_label_names(source), describe_labels(source))
    if contents.interpretation:
        lines.append(f"read as {contents.interpretation}")
    if contents.skipped:
        lines.append(f"{contents.skipped:,} more could not be read, and were left out: left-out.txt")
    return [f"{name}: {lines[0]}", *lines[1:]]


def label_parts(splits: Splits) -> dict[str, Source]:
    """Return the parts of a data source under their descriptions; "" if there is only one."""
    if splits.test is None:
        return {"": splits.images}
    return {"to train on": splits.images, "to test on": splits.test}


def _verify(path: Path, manifest: Manifest, show_progress: ShowProgress) -> str:
    files = list(_list_files(path, manifest))
    total, damaged = sum(expected.size for _, expected in files), []
    with show_progress(len(files), "files") as advance:
        for file, expected in files:
            try:
                if hash_file(file) != expected:
                    damaged.append(file)
            except OSError as error:
                raise DataError(f"{file} cannot be read: {error.strerror}") from error
            advance(1)
    if damaged:
        raise DataError(
            f"{len(damaged)} of {len(files):,} files are damaged; the first is {damaged[0]}, whose SHA-256 differs "
            f"from the manifest: copy or prepare the set again"
        )
    heights = ", ".join(map(str, manifest.levels))
    return (
        f"prepared by alae {manifest.alae} from {manifest.source}, at {heights} pixels a side, "
        f"{format_bytes(total)} in {count_things(len(files), 'file')}, whose hashes all match the manifest"
    )


def _list_files(path: Path, manifest: Manifest) -> Iterator[tuple[Path, StoredFile]]:
    for name, part in manifest.parts.items():
        for level in range(len(manifest.levels)):
            for file, shard in zip(manifest.files(name, level), part.shards, strict=True):
                yield path / file, shard.files[level]
        for file_name, expected in (("labels.npy", part.labels), ("names.txt", part.names)):
            if expected is not None:
                yield path / name / file_name, expected


def _describe_pictures(
    name: str, pictures: Collection, show_progress: ShowProgress, options: SourceOptions
) -> Iterator[str]:
    sizes: Counter[tuple[int, int]] = Counter()
    coloured, unreadable = 0, []
    with show_progress(len(pictures), "images") as advance:
        for file, file_name in zip(pictures.files, pictures.names, strict=True):
            header = read_header(file)
            if header is None:
                unreadable.append(file_name)
            else:
                sizes[header.width, header.height] += 1
                coloured += header.coloured
            advance(1)
    if not sizes:
        fault = describe_fault(pictures.files[0])
        raise DataError(f"none of the {len(pictures):,} images in {name} can be read: {fault}")
    readable = len(pictures) - len(unreadable)
    colours = {0: "all grey", readable: "all in colour"}.get(coloured, f"{coloured:,} in colour, the others grey")
    yield f"{name}: {count_things(readable, 'image')}, {colours}"
    yield _describe_sizes(sizes)
    tests = [pictures.test.files] if pictures.test else []
    _, interpretation = decide_reading(name, [pictures.files, *tests], "crop", options)
    if interpretation:
        yield f"read as {interpretation}"
    yield from _describe_labels(pictures.labels, pictures.label_names, describe_labels(pictures))
    if pictures.test:
        yield f"{count_things(len(pictures.test), 'more image')} in the held-out split"
        yield from _describe_labels(pictures.test.labels, pictures.label_names, describe_labels(pictures.test))
    skipped = describe_skipped(pictures.skipped)
    if skipped:
        yield skipped
    if unreadable:
        yield f"{len(unreadable):,} more cannot be read: {_list_words(unreadable)}"


def _describe_sizes(sizes: Counter[tuple[int, int]]) -> str:
    if len(sizes) == 1:
        ((width, height),) = sizes
        return f"each of {width}×{height} pixels"
    shorter = sorted(min(size) for size in sizes.elements())
    (width, height), count = sizes.most_common(1)[0]
    return (
        f"{len(sizes):,} sizes, most often {width}×{height} ({count:,}); shorter sides from {shorter[0]:,} to "
        f"{shorter[-1]:,} pixels, median {shorter[len(shorter) // 2]:,}"
    )


def _describe_labels(labels: np.ndarray | None, names: Sequence[str], text: str) -> list[str]:
    lines = [f"labels: {text}"]
    if labels is None:
        return lines
    labels = labels[is_labelled(labels)]
    if labels.ndim == 1:
        classes = [f"{name}: {count:,}" for name, count in _count_classes(labels, names).items()]
        return [*lines, f"{len(classes)} class{'es' if len(classes) != 1 else ''}: {_list_words(classes)}"]
    columns = [
        f"{name} {column.min():g} … {column.max():g}, mean {column.mean():.3g}"
        for name, column in zip(names or map(str, range(labels.shape[1])), labels.T, strict=True)
        if len(column)
    ]
    return [*lines, f"{count_things(len(columns), 'attribute')}: {_list_words(columns, '; ')}"]


def _count_classes(labels: np.ndarray, names: Sequence[str]) -> dict[str, int]:
    numbers, counts = np.unique(labels, return_counts=True)
    titles = [names[number] if 0 <= number < len(names) else str(number) for number in numbers]
    return {title: int(count) for title, count in zip(titles, counts, strict=True)}


def _list_words(words: Sequence[str], separator: str = ", ") -> str:
    more = f"{separator}and {len(words) - _MOST_LISTED:,} more" if len(words) > _MOST_LISTED else ""
    return separator.join(words[:_MOST_LISTED]) + more
