"""One shard of a prepared set: decodes its pictures, and writes a file for each height and a note."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import NonNegativeInt

from alae_core._support.files import atomic_path, write_atomically
from alae_core._support.manifest import read_manifest, seal_manifest
from alae_core._support.text import one_line
from alae_core._support.validation import Frozen
from alae_core.images import block_sums
from alae_workbench.data.picture_file import Member, Reading, read_image
from alae_workbench.data.prepared.set_format import LISTED, Shard, hash_file, record_dtype
from alae_workbench.data.source import DataError

# Bytes of pixels that are pooled together: the group fits the processor's cache.
_GROUP_BYTES = 2**20
# Each record can be read alone; records are not compressed, like the TFRecords of StyleGAN.
_OPTIONS = "group_size:1,uncompressed"
_MOST_BYTES = 2**28


class Note(Frozen):
    """The result of a shard: its files, and for each unreadable picture its index in the shard and a message."""

    format: Literal[1]
    shard: Shard
    left_out: Annotated[tuple[Annotated[tuple[NonNegativeInt, str], LISTED], ...], LISTED]


@dataclass(frozen=True)
class Job:
    """A shard to write.

    Attributes:
        pictures: its pictures, in order.
        shape, reading: how each is read (`picture_file.read_image`).
        files: the file to write for each height.
        note: the file of its note, which is written last.
        skip_bad: whether to leave out unreadable pictures instead of refusing them.
    """

    pictures: Sequence[Path | Member]
    shape: tuple[int, int, int]
    reading: Reading
    files: dict[int, Path]
    note: Path
    skip_bad: bool


def read_note(path: Path) -> Note:
    """Read a note. Raises DataError if it is damaged."""
    return read_manifest(path, {1: Note}, most=_MOST_BYTES, error=DataError)


def write_shard(job: Job, progress: Callable[[int], None]) -> None:
    """Write a shard's files, each atomically, and then its note.

    Args:
        job: the shard.
        progress: called repeatedly with the number of pictures read since the last call.

    Raises DataError if a picture cannot be read and may not be left out, or if a file cannot be written.
    """
    left_out: list[tuple[int, str]] = []
    count = 0
    try:
        with ExitStack() as stack:
            writers = {height: stack.enter_context(_open_writer(path)) for height, path in job.files.items()}
            for pixels, pictures in _read_groups(job, left_out):
                for height, writer in writers.items():
                    records = pixels if height == job.shape[0] else block_sums(pixels, height)
                    for record in records.astype(record_dtype(job.shape, height), copy=False):
                        writer.write(record.tobytes())
                count += len(pixels)
                progress(pictures)
        shard = Shard(count=count, files=tuple(map(hash_file, job.files.values())))
        note = Note(format=1, shard=shard, left_out=tuple(left_out))
        write_atomically(job.note, seal_manifest(note.model_dump(mode="json")))
    except OSError as error:
        raise DataError(f"{error.filename} cannot be written: {error.strerror}") from error


def _read_groups(job: Job, left_out: list[tuple[int, str]]) -> Iterator[tuple[np.ndarray, int]]:
    """Decode a few pictures at a time; yield the readable ones and the number tried; add the others to `left_out`."""
    size = max(1, _GROUP_BYTES // prod(job.shape))
    for start in range(0, len(job.pictures), size):
        pictures = job.pictures[start : start + size]
        images = []
        for index, picture in enumerate(pictures, start):
            try:
                images.append(read_image(picture, job.shape, job.reading))
            except DataError as error:
                if not job.skip_bad:
                    raise DataError(f"{error}: to leave out unreadable pictures, pass skip_bad (--skip-bad)") from error
                left_out.append((index, one_line(str(error))))
        yield np.stack(images) if images else np.empty((0, *job.shape), np.uint8), len(pictures)


@contextmanager
def _open_writer(path: Path) -> Iterator[Any]:
    """Open a writer of records; its file appears at `path` when it is complete."""
    from array_record.python.array_record_module import ArrayRecordWriter

    with atomic_path(path) as writing:
        try:
            writer = ArrayRecordWriter(str(writing), _OPTIONS)
            yield writer
            writer.close()
        except RuntimeError as error:
            raise DataError(f"{path} cannot be written: {str(error).split(';')[0]}") from error
