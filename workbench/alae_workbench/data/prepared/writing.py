"""Preparing a set: what will be written is decided first, then written, and gone on with after a kill."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from importlib.metadata import version
from io import BytesIO
from math import log2
from pathlib import Path
from shutil import disk_usage, rmtree
from typing import Literal

import numpy as np

from alae_core import AlaeError, ArgumentError
from alae_core._support.files import write_whole
from alae_core._support.manifest import read_manifest, sealed
from alae_core._support.validation import Frozen
from alae_core.sizes import amount
from alae_workbench.data.collection import Pictures, as_pictures
from alae_workbench.data.load import path_of, pictures_in, read_whole
from alae_workbench.data.prepared.layout import (
    MANIFEST,
    PARTS,
    PREPARING,
    ImageShape,
    Manifest,
    Part,
    Sha256,
    Stored,
    levels_of,
    need,
    shard_file,
    shards_of,
    stored,
)
from alae_workbench.data.prepared.processes import write_shards
from alae_workbench.data.prepared.reading import require_package
from alae_workbench.data.prepared.shards import Job, Note, read_note
from alae_workbench.data.source import DataError, Fit, by
from alae_workbench.data.survey import survey
from alae_workbench.storage.lock import NAME as LOCK
from alae_workbench.storage.lock import Lock

#: the largest size that is chosen unasked: that of FFHQ
LARGEST = 1024
_PLAN = "plan.json"
_MOST_BYTES = 2**16


class _Plan(Frozen):
    """What a preparation that was killed is known by: only the same one goes on with it."""

    format: Literal[1]
    alae: str
    source: str
    image: ImageShape
    fit: Fit
    counts: dict[str, int]
    stamp: Sha256


@dataclass(frozen=True)
class Preparation:
    """What `run` will write; nothing is written, and no image file decoded, before that.

    Attributes:
        source: the data, as `training.data` names it.
        out: the directory of the set.
        image: height, width and channels of every image.
        fit: what becomes of image files of another shape (`pictures.read_image`).
        pictures: what the parts are made of, by name.
        stamp: changes if any of that does.
        why: why the images get that size.
    """

    source: str
    out: Path
    image: tuple[int, int, int]
    fit: Fit
    pictures: dict[str, Pictures]
    stamp: str
    why: str

    def __str__(self) -> str:
        counts = [f"{len(pictures):,} images" for pictures in self.pictures.values()]
        told = counts[0] if len(counts) == 1 else f"{counts[0]} to train on and {counts[1]} to test on"
        smaller = [str(height) for height in self.levels[1:]]
        levels = f", and at {', '.join(smaller)} pixels a side for networks that grow" if smaller else ""
        return (
            f"{self.source}: {told}, of {by(self.image)}{levels}\n{self.why}\n"
            f"{self.out} will take {amount(self.need)} at the most"
        )

    def __len__(self) -> int:
        return sum(map(len, self.pictures.values()))

    @property
    def levels(self) -> tuple[int, ...]:
        """The heights at which images are stored, their own first."""
        return levels_of(self.image)

    @cached_property
    def need(self) -> int:
        """The bytes of disk that the set takes at the most."""
        total = 0
        for pictures in self.pictures.values():
            total += need(len(pictures), self.image, self.levels)
            total += sum(len(name) * 4 + 1 for name in pictures.names)
            total += 0 if pictures.labels is None else pictures.labels.nbytes + 2**12
        return total

    def run(
        self, *, workers: int = 1, skip_bad: bool = False, told: Callable[[int], None] = lambda count: None
    ) -> Manifest:
        """Write the set, or what an earlier call that was stopped or killed has left of it.

        Whoever writes it, in however many processes and calls, every file of it has the same bytes.

        Args:
            workers: how many processes decode images. More than one start from a script only where that guards what
                it does by `if __name__ == "__main__"`.
            skip_bad: leave out pictures that cannot be read, and list them in left-out.txt; else they are refused.
            told: called with how many more pictures are done, those of earlier calls first.

        Raises:
            AlaeError: another process is at it, or what is there is another preparation; the disk has too little room.
            DataError: a picture cannot be read, or the source changed meanwhile. What was written stays, and the same
                call goes on from there.
        """
        lock = Lock(
            self.out, f"{self.out} is being prepared by another process: wait for it, or give another directory"
        )
        with lock.held(keep=lambda: (self.out / PREPARING).exists() or (self.out / MANIFEST).exists()):
            try:
                source = self._begin()
                shards = sum(len(shards_of(len(pictures), self.image)) for pictures in self.pictures.values())
                write_shards(self._jobs(skip_bad, told), min(workers, shards), told)
                return self._end(source)
            except OSError as error:
                raise AlaeError(
                    f"{error.filename or self.out}: {error.strerror or error}; when that is mended, the same command "
                    f"goes on"
                ) from error

    def _begin(self) -> str:
        """Write the plan, or find the same one; the source as it was named then."""
        plan = _Plan(
            format=1,
            alae=version("alae"),
            source=self.source,
            image=self.image,
            fit=self.fit,
            counts={name: len(pictures) for name, pictures in self.pictures.items()},
            stamp=self.stamp,
        )
        file = self.out / PREPARING / _PLAN
        if file.exists():
            begun = read_manifest(file, {1: _Plan}, most=_MOST_BYTES, error=DataError)
            _require_same(self.out, begun, plan)
            for left in self.out.glob("**/.writing-*"):
                left.unlink()
            return begun.source
        free = disk_usage(self.out).free
        if self.need > free:
            raise AlaeError(
                f"{self.out} will take {amount(self.need)}, but its disk has {amount(free)} left: make room, give a "
                f"directory on another, or a smaller size"
            )
        for name in self.pictures:
            for height in self.levels:
                (self.out / shard_file(name, self.image, height, 0, 1)).parent.mkdir(parents=True, exist_ok=True)
        file.parent.mkdir(exist_ok=True)
        write_whole(file, sealed(plan.model_dump(mode="json")))
        return self.source

    def _jobs(self, skip_bad: bool, told: Callable[[int], None]) -> Iterator[Job]:
        """The shards that are not done yet."""
        for name, pictures in self.pictures.items():
            shards = shards_of(len(pictures), self.image)
            for index, places in enumerate(shards):
                files = {
                    height: self.out / shard_file(name, self.image, height, index, len(shards))
                    for height in self.levels
                }
                note = self._note(name, index)
                if _is_done(note, list(files.values()), skip_bad):
                    told(len(places))
                    continue
                some = pictures.files[places.start : places.stop]
                yield Job(some, self.image, self.fit, files, note, skip_bad)

    def _end(self, source: str) -> Manifest:
        """Write what belongs to all shards, and the manifest last."""
        parts, left_out = {}, []
        for name, pictures in self.pictures.items():
            parts[name], missing = self._part(name, pictures)
            left_out += missing
        if not parts[PARTS[0]].count:
            raise DataError(f"none of the {len(self):,} images of {source} can be read")
        if _found(self.source)[1] != self.stamp:
            raise DataError(
                f"{self.source} changed while it was read: what was prepared is of neither state; remove {self.out}, "
                f"and prepare it again when nothing changes any more"
            )
        if left_out:
            write_whole(self.out / "left-out.txt", "".join(left_out).encode("utf-8", "backslashreplace"))
        manifest = Manifest(
            format=1,
            alae=version("alae"),
            source=source,
            image=self.image,
            levels=self.levels,
            fit=self.fit,
            label_names=self.pictures[PARTS[0]].label_names,
            images=parts[PARTS[0]],
            test=parts.get(PARTS[1]),
        )
        write_whole(self.out / MANIFEST, sealed(manifest.model_dump(mode="json")))
        rmtree(self.out / PREPARING)
        return manifest

    def _part(self, name: str, pictures: Pictures) -> tuple[Part, list[str]]:
        """A part as the manifest has it, and a line for each picture that was left out."""
        kept, notes, missing = np.ones(len(pictures), bool), [], []
        for index, places in enumerate(shards_of(len(pictures), self.image)):
            note = read_note(self._note(name, index))
            notes.append(note)
            for place, reason in note.left_out:
                kept[places[place]] = False
                missing.append(f"{reason}\n")
        labels = names = None
        if pictures.labels is not None:
            content = BytesIO()
            np.save(content, pictures.labels[kept])
            labels = self._written(name, "labels.npy", content.getvalue())
        if len(pictures.names):
            lines = "".join(
                name.replace("\n", " ") + "\n" for name, there in zip(pictures.names, kept, strict=True) if there
            )
            names = self._written(name, "names.txt", lines.encode("utf-8", "backslashreplace"))
        part = Part(
            count=int(kept.sum()),
            left_out=len(missing),
            shards=tuple(note.shard for note in notes),
            labels=labels,
            names=names,
        )
        return part, missing

    def _written(self, part: str, name: str, content: bytes) -> Stored:
        write_whole(self.out / part / name, content)
        return stored(self.out / part / name)

    def _note(self, part: str, index: int) -> Path:
        return self.out / PREPARING / f"{part}-{index:05d}.json"


def preparation(
    source: str, out: Path, *, size: int | None = None, channels: int | None = None, fit: Fit = "crop"
) -> Preparation:
    """Decide what a prepared set of some data will be.

    Args:
        source: the data, as `training.data` names it.
        out: a directory that is new or empty, or what an earlier call has left of the same preparation.
        size: height and width of every image; by default arrays keep their own, and image files get the largest power
            of two at most their median shorter side, and at most LARGEST.
        channels: 1 or 3; by default 1 where all images are grey.
        fit: what becomes of image files of another shape (`pictures.read_image`).

    Raises:
        DataError: there is no such data, or it cannot be read.
        AlaeError: `out` holds something else, or a prepared set already. ArgumentError for an impossible size.
    """
    require_package()
    _require_free(out)
    if size is not None and not 4 <= size <= 4096:
        raise ArgumentError("size", f"is {size}, but images are prepared at 4 to 4,096 pixels a side")
    pictures, stamp = _found(source)
    seen = survey(source)
    if size is not None:
        height, width, why = size, size, f"size {size}: as asked"
    elif seen.fixed is not None:
        (height, width), why = seen.fixed, f"size {by(seen.fixed)}: that of the arrays"
    else:
        height = width = min(LARGEST, 2 ** int(log2(max(seen.side, 4))))
        why = f"size {height}: the largest power of two within the median shorter side of {seen.side:,}"
    if seen.fixed is None:
        why += (
            "; each image is " + ("cropped about its centre" if fit == "crop" else "framed in black") + " and resized"
        )
    return Preparation(source, out, (height, width, channels or seen.channels), fit, pictures, stamp, why)


def _found(source: str) -> tuple[dict[str, Pictures], str]:
    """The pictures of each part of some data, and what changes if any of them does."""
    found = read_whole(source)
    if found is None:
        pictures = pictures_in(source)
        base, _ = path_of(source)
        return {PARTS[0]: pictures}, _stamp(pictures, base)
    parts = {name: each for name, each in zip(PARTS, (found.images, found.test), strict=True) if each is not None}
    prints = " ".join(each.fingerprint for each in parts.values())
    return {name: as_pictures(each, source) for name, each in parts.items()}, sha256(prints.encode()).hexdigest()


def _stamp(pictures: Pictures, base: Path) -> str:
    digest = sha256(f"{len(pictures)}\n".encode())
    for path in pictures.stored:
        try:
            there = path.stat()
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror}") from error
        digest.update(f"{path.relative_to(base)}\0{there.st_size}\0{there.st_mtime_ns}\n".encode("utf-8", "replace"))
    return digest.hexdigest()


def _is_done(note: Path, files: Sequence[Path], skip_bad: bool) -> bool:
    """Whether a shard is written as its note says; one that left pictures out is not where none is to be."""
    if not note.exists():
        return False
    found: Note = read_note(note)
    return (skip_bad or not found.left_out) and all(
        file.exists() and file.stat().st_size == there.size
        for file, there in zip(files, found.shard.files, strict=True)
    )


def _require_free(out: Path) -> None:
    if (out / MANIFEST).exists() and not (out / PREPARING).exists():
        raise AlaeError(f"{out} is a prepared set already: give another directory, or remove it")
    if out.exists() and not out.is_dir():
        raise AlaeError(f"{out} is a file: give a new directory")
    if out.is_dir() and not (out / PREPARING).exists() and any(each.name != LOCK for each in out.iterdir()):
        raise AlaeError(f"{out} is not empty: give a new directory")


def _require_same(out: Path, begun: _Plan, asked: _Plan) -> None:
    ways = {
        "image": f"images of {by(begun.image)}, not {by(asked.image)}",
        "fit": f"fit {begun.fit}, not {asked.fit}",
        "counts": f"{sum(begun.counts.values()):,} images, not {sum(asked.counts.values()):,}",
        "stamp": "a source that was not the same, or has changed since",
        "alae": f"alae {begun.alae}, not {asked.alae}",
    }
    differing = [text for field, text in ways.items() if getattr(begun, field) != getattr(asked, field)]
    if differing:
        raise AlaeError(
            f"{out} holds what is left of a preparation with {differing[0]}: go on with that, or remove the directory"
        )
