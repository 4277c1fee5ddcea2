"""Write a prepared set, or continue an interrupted preparation."""

from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from pathlib import Path
from shutil import disk_usage, rmtree
from typing import Literal

import numpy as np

from alae_core import AlaeError, __version__
from alae_core._support.files import write_atomically
from alae_core._support.manifest import read_manifest, seal_manifest
from alae_core._support.validation import Frozen
from alae_core.sizes import format_bytes
from alae_workbench.data.collection import Collection
from alae_workbench.data.picture_file import Reading
from alae_workbench.data.prepared.preparation import Preparation, read_state
from alae_workbench.data.prepared.processes import write_shards
from alae_workbench.data.prepared.set_format import (
    MANIFEST,
    PARTS,
    PREPARING,
    ImageShape,
    Manifest,
    Part,
    Sha256,
    StoredFile,
    divide_into_shards,
    hash_file,
    shard_path,
)
from alae_workbench.data.prepared.shards import Job, Note, read_note
from alae_workbench.data.source import DataError, Fit, format_shape
from alae_workbench.storage.lock import Lock

_PLAN = "plan.json"
_MOST_BYTES = 2**16


def write_set(
    preparation: Preparation,
    *,
    workers: int = 1,
    skip_bad: bool = False,
    progress: Callable[[int], None] = lambda count: None,
) -> Manifest:
    """Write a prepared set, or the missing files of an interrupted preparation.

    The bytes of every file are the same for any number of processes and interruptions.

    Args:
        preparation: the plan, from `plan_preparation`.
        workers: number of processes that decode images. Scripts that use more than one must guard their code by
            `if __name__ == "__main__"`.
        skip_bad: leave out unreadable pictures and list them in left-out.txt, instead of refusing them.
        progress: called repeatedly with the number of pictures done since the last call; first with those of earlier
            calls.

    Raises:
        AlaeError: another process is writing the set, the directory holds another preparation, or the disk has too
            little room.
        DataError: a picture cannot be read, or the source changed during preparation. The files written so far stay,
            and the same call continues from there.
    """
    return _Writer(preparation).write(workers, skip_bad, progress)


class _Plan(Frozen):
    """The record of a preparation in progress; only an equal one continues it."""

    format: Literal[1]
    alae: str
    source: str
    image: ImageShape
    fit: Fit
    counts: dict[str, int]
    stamp: Sha256
    reading: str = ""


class _Writer:
    def __init__(self, preparation: Preparation) -> None:
        self.preparation, self.out = preparation, preparation.out

    def write(self, workers: int, skip_bad: bool, progress: Callable[[int], None]) -> Manifest:
        lock = Lock(
            self.out, f"{self.out} is being prepared by another process: wait for it, or give another directory"
        )
        with lock.acquire(keep=lambda: (self.out / PREPARING).exists() or (self.out / MANIFEST).exists()):
            try:
                source = self._begin()
                collections = self.preparation.pictures.values()
                shards = sum(len(self._divide(pictures)) for pictures in collections)
                write_shards(self._list_jobs(skip_bad, progress), min(workers, shards), progress)
                return self._finish(source)
            except OSError as error:
                raise AlaeError(
                    f"{error.filename or self.out}: {error.strerror or error}; fix this, and run the same command "
                    f"again to continue"
                ) from error

    def _begin(self) -> str:
        """Write the plan, or compare it with an earlier one; return the source as the first call named it."""
        preparation = self.preparation
        plan = _Plan(
            format=1,
            alae=__version__,
            source=preparation.source,
            image=preparation.image,
            fit=preparation.reading.fit,
            counts={name: len(pictures) for name, pictures in preparation.pictures.items()},
            stamp=preparation.stamp,
            reading=_describe_reading(preparation.reading),
        )
        file = self.out / PREPARING / _PLAN
        if file.exists():
            begun = read_manifest(file, {1: _Plan}, most=_MOST_BYTES, error=DataError)
            _require_same(self.out, begun, plan)
            for incomplete in self.out.glob("**/.writing-*"):
                incomplete.unlink()
            return begun.source
        free = disk_usage(self.out).free
        if preparation.most_bytes > free:
            raise AlaeError(
                f"{self.out} will take up to {format_bytes(preparation.most_bytes)}, but its disk has "
                f"{format_bytes(free)} free: "
                f"make room, or choose a directory on another disk or a smaller size"
            )
        for name in preparation.pictures:
            for height in preparation.heights:
                shard = self.out / shard_path(name, preparation.image, height, 0, 1)
                shard.parent.mkdir(parents=True, exist_ok=True)
        file.parent.mkdir(exist_ok=True)
        write_atomically(file, seal_manifest(plan.model_dump(mode="json")))
        return preparation.source

    def _list_jobs(self, skip_bad: bool, progress: Callable[[int], None]) -> Iterator[Job]:
        """Iterate over the shards that are not written yet."""
        preparation = self.preparation
        for name, pictures in preparation.pictures.items():
            shards = self._divide(pictures)
            for index, places in enumerate(shards):
                files = {
                    height: self.out / shard_path(name, preparation.image, height, index, len(shards))
                    for height in preparation.heights
                }
                note = self._note_path(name, index)
                if _is_done(note, list(files.values()), skip_bad):
                    progress(len(places))
                    continue
                some = pictures.files[places.start : places.stop]
                yield Job(some, preparation.image, preparation.reading, files, note, skip_bad)

    def _finish(self, source: str) -> Manifest:
        """Write labels, names and left-out.txt, and the manifest last."""
        preparation = self.preparation
        parts, left_out = {}, []
        for name, pictures in preparation.pictures.items():
            parts[name], faults = self._write_part(name, pictures)
            left_out += faults
        if not parts[PARTS[0]].count:
            raise DataError(f"none of the {len(preparation):,} images of {source} can be read")
        # Arrays were read whole before the first shard, and a second copy may not fit in memory.
        on_disk = not preparation.in_memory
        if on_disk and read_state(preparation.source, preparation.options)[1] != preparation.stamp:
            raise DataError(
                f"{preparation.source} changed during preparation, so {self.out} may mix old and new images: remove "
                f"it, and prepare the set again"
            )
        if left_out:
            write_atomically(self.out / "left-out.txt", "".join(left_out).encode("utf-8", "backslashreplace"))
        manifest = Manifest(
            format=1,
            alae=__version__,
            source=source,
            image=preparation.image,
            levels=preparation.heights,
            fit=preparation.reading.fit,
            crop_box=str(preparation.reading.crop_box or ""),
            value_range=preparation.value_range,
            interpretation=preparation.interpretation,
            label_names=preparation.pictures[PARTS[0]].label_names,
            label_text=preparation.pictures[PARTS[0]].label_text,
            images=parts[PARTS[0]],
            test=parts.get(PARTS[1]),
        )
        write_atomically(self.out / MANIFEST, seal_manifest(manifest.model_dump(mode="json")))
        rmtree(self.out / PREPARING)
        return manifest

    def _write_part(self, name: str, pictures: Collection) -> tuple[Part, list[str]]:
        """Write a part's labels and names; return its entry in the manifest, and a line for each picture left out."""
        included, notes, faults = np.ones(len(pictures), bool), [], []
        for index, places in enumerate(self._divide(pictures)):
            note = read_note(self._note_path(name, index))
            notes.append(note)
            for place, reason in note.left_out:
                included[places[place]] = False
                faults.append(f"{reason}\n")
        labels = names = None
        if pictures.labels is not None:
            content = BytesIO()
            np.save(content, pictures.labels[included])
            labels = self._write_file(name, "labels.npy", content.getvalue())
        if len(pictures.names):
            kept = (name for name, there in zip(pictures.names, included, strict=True) if there)
            lines = "".join(name.replace("\n", " ") + "\n" for name in kept)
            names = self._write_file(name, "names.txt", lines.encode("utf-8", "backslashreplace"))
        part = Part(
            count=int(included.sum()),
            left_out=len(faults),
            shards=tuple(note.shard for note in notes),
            labels=labels,
            names=names,
        )
        return part, faults

    def _write_file(self, part: str, name: str, content: bytes) -> StoredFile:
        write_atomically(self.out / part / name, content)
        return hash_file(self.out / part / name)

    def _divide(self, pictures: Collection) -> list[range]:
        return divide_into_shards(len(pictures), self.preparation.image)

    def _note_path(self, part: str, index: int) -> Path:
        return self.out / PREPARING / f"{part}-{index:05d}.json"


def _is_done(note_path: Path, files: Sequence[Path], skip_bad: bool) -> bool:
    """Whether a shard's files exist at their noted sizes, and pictures were left out only if `skip_bad` allows it."""
    if not note_path.exists():
        return False
    note: Note = read_note(note_path)
    return (skip_bad or not note.left_out) and all(
        file.exists() and file.stat().st_size == stored.size
        for file, stored in zip(files, note.shard.files, strict=True)
    )


def _describe_reading(reading: Reading) -> str:
    parts = {"crop box": reading.crop_box, "8 bits": reading.narrow, "more than 8 bits": reading.wide}
    return ", ".join(f"{name} {part}" for name, part in parts.items() if part is not None) or "all of each picture"


def _require_same(out: Path, begun: _Plan, requested: _Plan) -> None:
    differences = {
        "image": f"images of {format_shape(begun.image)}, not {format_shape(requested.image)}",
        "fit": f"fit {begun.fit}, not {requested.fit}",
        "counts": f"{sum(begun.counts.values()):,} images, not {sum(requested.counts.values()):,}",
        "stamp": "another source, or one that has changed since",
        "reading": f"{begun.reading or 'pictures read as early versions did'}, not {requested.reading}",
        "alae": f"alae {begun.alae}, not {requested.alae}",
    }
    found = [text for field, text in differences.items() if getattr(begun, field) != getattr(requested, field)]
    if found:
        raise AlaeError(
            f"{out} holds an interrupted preparation with {found[0]}: repeat that command, or remove the directory"
        )
