"""One shard of a prepared set: pictures in, a file for each level and a note out; what a process of its own does."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import NonNegativeInt

from alae_core._support.files import built_whole, write_whole
from alae_core._support.manifest import read_manifest, sealed
from alae_core._support.text import one_line
from alae_core._support.validation import Frozen
from alae_core.images import block_sums
from alae_workbench.data.pictures import Member, read_image
from alae_workbench.data.prepared.layout import LISTED, Shard, level_dtype, stored
from alae_workbench.data.source import DataError, Fit

# Pixels that are pooled at once: they stay in the processor's cache.
_GROUP_BYTES = 2**20
# One record after another can be read by itself; nothing is compressed, as in the files that StyleGAN was trained on.
_OPTIONS = "group_size:1,uncompressed"
_MOST_BYTES = 2**28


class Note(Frozen):
    """What became of a shard's pictures: its files, and by their places in the shard those that could not be read."""

    format: Literal[1]
    shard: Shard
    left_out: Annotated[tuple[Annotated[tuple[NonNegativeInt, str], LISTED], ...], LISTED]


@dataclass(frozen=True)
class Job:
    """A shard to write.

    Attributes:
        pictures: what becomes of it, in order.
        shape, fit: what each becomes (`pictures.read_image`).
        files: where each level goes, by its height.
        note: where its note goes, last.
        skip_bad: whether pictures that cannot be read are left out; else they are refused.
    """

    pictures: Sequence[Path | Member]
    shape: tuple[int, int, int]
    fit: Fit
    files: dict[int, Path]
    note: Path
    skip_bad: bool


def read_note(path: Path) -> Note:
    """A note. Raises DataError where it is damaged."""
    return read_manifest(path, {1: Note}, most=_MOST_BYTES, error=DataError)


def write_shard(job: Job, told: Callable[[int], None]) -> None:
    """Write a shard's files, each whole or not at all, and then its note.

    Args:
        job: what to write.
        told: called with how many more pictures are done, every now and then.

    Raises DataError where a picture cannot be read and none is to be left out, or a file cannot be written.
    """
    left_out: list[tuple[int, str]] = []
    count = 0
    try:
        with ExitStack() as stack:
            writers = {height: stack.enter_context(_writer(path)) for height, path in job.files.items()}
            for pixels, places in _groups(job, left_out):
                for height, writer in writers.items():
                    records = pixels if height == job.shape[0] else block_sums(pixels, height)
                    for record in records.astype(level_dtype(job.shape, height), copy=False):
                        writer.write(record.tobytes())
                count += len(pixels)
                told(places)
        shard = Shard(count=count, files=tuple(map(stored, job.files.values())))
        note = Note(format=1, shard=shard, left_out=tuple(left_out))
        write_whole(job.note, sealed(note.model_dump(mode="json")))
    except OSError as error:
        raise DataError(f"{error.filename} cannot be written: {error.strerror}") from error


def _groups(job: Job, left_out: list[tuple[int, str]]) -> Iterator[tuple[np.ndarray, int]]:
    """Pictures decoded, a few at a time, and how many places they took."""
    each = max(1, _GROUP_BYTES // prod(job.shape))
    for start in range(0, len(job.pictures), each):
        some = job.pictures[start : start + each]
        decoded = []
        for place, picture in enumerate(some, start):
            try:
                decoded.append(read_image(picture, job.shape, job.fit))
            except DataError as error:
                if not job.skip_bad:
                    raise DataError(f"{error}: leave out what cannot be read by skip_bad (--skip-bad)") from error
                left_out.append((place, one_line(str(error))))
        yield np.stack(decoded) if decoded else np.empty((0, *job.shape), np.uint8), len(some)


@contextmanager
def _writer(path: Path) -> Iterator[Any]:
    """What writes records into a file, which is there once all are, and not before."""
    from array_record.python.array_record_module import ArrayRecordWriter

    with built_whole(path) as writing:
        try:
            writer = ArrayRecordWriter(str(writing), _OPTIONS)
            yield writer
            writer.close()
        except RuntimeError as error:
            raise DataError(f"{path} cannot be written: {str(error).split(';')[0]}") from error
