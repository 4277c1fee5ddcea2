"""The plan of a prepared set, decided before anything is written: the images, their size, and the disk space."""

from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from math import log2
from os.path import relpath
from pathlib import Path
from types import NoneType

from alae_core import AlaeError, ArgumentError
from alae_core._support.text import count_things
from alae_core.sizes import format_bytes
from alae_workbench.data.collection import Collection, as_collection
from alae_workbench.data.memory import Arrays
from alae_workbench.data.options import DEFAULTS, SourceOptions
from alae_workbench.data.picture_file import Reading
from alae_workbench.data.prepared.reading import require_package
from alae_workbench.data.prepared.set_format import MANIFEST, PARTS, PREPARING, choose_heights, most_bytes
from alae_workbench.data.reading import decide_reading
from alae_workbench.data.resolve import Contents, open_source, resolve_path
from alae_workbench.data.source import DataError, Fit, Splits, format_shape
from alae_workbench.data.survey import survey_contents
from alae_workbench.storage.lock import NAME as LOCK

#: the largest size that is chosen without `size`: that of FFHQ
LARGEST = 1024


@dataclass(frozen=True)
class Preparation:
    """The plan of a prepared set. `str` gives a description of three lines; `len` gives the number of images.

    Attributes:
        source: the data source, as in `training.data`.
        out: the directory of the set.
        image: height, width and channels of every image.
        reading: how pictures become pixels.
        pictures: the pictures of each part, by name.
        stamp: a digest that changes with any file or array of the source.
        reason: why the images have this size.
        options: which images and labels of the source are read, and how.
        interpretation, value_range: how values and axes are read: see `DataSet`.
        in_memory: whether all images are arrays in memory, which changes to their files do not reach.
    """

    source: str
    out: Path
    image: tuple[int, int, int]
    reading: Reading
    pictures: dict[str, Collection]
    stamp: str
    reason: str
    options: SourceOptions = DEFAULTS
    interpretation: str = ""
    value_range: str = ""
    in_memory: bool = False

    def __str__(self) -> str:
        counts = [count_things(len(pictures), "image") for pictures in self.pictures.values()]
        total = counts[0] if len(counts) == 1 else f"{counts[0]} to train on and {counts[1]} to test on"
        smaller = [str(height) for height in self.heights[1:]]
        levels = f", and at {', '.join(smaller)} pixels a side for networks that grow" if smaller else ""
        read = f"\nread as {self.interpretation}" if self.interpretation else ""
        return (
            f"{self.source}: {total}, of {format_shape(self.image)}{levels}\n{self.reason}{read}\n"
            f"{self.out} will take at most {format_bytes(self.most_bytes)}"
        )

    def __len__(self) -> int:
        return sum(map(len, self.pictures.values()))

    @property
    def heights(self) -> tuple[int, ...]:
        """The heights at which images are stored, their own first."""
        return choose_heights(self.image)

    @cached_property
    def most_bytes(self) -> int:
        """Maximum bytes of the set on disk."""
        total = 0
        for pictures in self.pictures.values():
            total += most_bytes(len(pictures), self.image, self.heights)
            total += sum(len(name) * 4 + 1 for name in pictures.names)
            total += 0 if pictures.labels is None else pictures.labels.nbytes + 2**12
        return total


def plan_preparation(
    source: str,
    out: Path,
    *,
    size: int | None = None,
    channels: int | None = None,
    fit: Fit = "crop",
    options: SourceOptions = DEFAULTS,
) -> Preparation:
    """Plan the prepared set of a data source.

    Args:
        source: the data source, as in `training.data`.
        out: a new or empty directory, or the directory of an interrupted preparation of the same set.
        size: height and width of every image in pixels, 4 … 4096. By default arrays keep their own size, and picture
            files get the largest power of two up to their median shorter side, at most LARGEST.
        channels: 1 or 3; by default 1 if all images are grey, else 3.
        fit: how picture files of another shape are fitted (`picture_file.read_image`).
        options: which images and labels of the source are read, and how.

    Raises:
        DataError: the data source does not exist or cannot be read.
        ArgumentError: `size` is out of range.
        AlaeError: `out` holds something else, or a complete prepared set.
    """
    require_package()
    _require_free(out)
    if size is not None and not 4 <= size <= 4096:
        raise ArgumentError("size", f"is {size}; images are prepared at 4 to 4,096 pixels a side")
    contents = open_source(source, options)
    pictures, stamp = _identify(contents, source)
    arrays = contents if isinstance(contents, Splits) else None
    interpretation, value_range = (arrays.interpretation, arrays.value_range or "") if arrays else ("", "")
    reading = Reading(fit)
    seen = survey_contents(contents, source, source, options)
    if size is not None:
        height, width, reason = size, size, f"size {size}: as requested"
    elif seen.fixed is not None:
        (height, width), reason = seen.fixed, f"size {format_shape(seen.fixed)}: that of the arrays"
    else:
        height = width = min(LARGEST, 2 ** int(log2(max(seen.side, 4))))
        reason = f"size {height}: the largest power of two up to the median shorter side of {seen.side:,}"
    if seen.fixed is None:
        box = f"cut to the crop box {options.crop_box}, " if options.crop_box else ""
        change = "cropped about its centre" if fit == "crop" else "padded with black"
        reason += f"; each image is {box}{change} and resized"
        files = [part.files for part in pictures.values()]
        reading, interpretation = decide_reading(source, files, fit, options)
        value_range = str(reading.wide or "")
    image = (height, width, channels or seen.channels)
    in_memory = arrays is not None and all(
        isinstance(part, (Arrays, NoneType)) for part in (arrays.images, arrays.test)
    )
    return Preparation(
        source, out, image, reading, pictures, stamp, reason, options, interpretation, value_range, in_memory
    )


def read_state(source: str, options: SourceOptions = DEFAULTS) -> tuple[dict[str, Collection], str]:
    """Return the pictures of each part of a data source, and a digest that changes with any of its files or arrays."""
    return _identify(open_source(source, options), source)


def _identify(contents: Contents, source: str) -> tuple[dict[str, Collection], str]:
    if not isinstance(contents, Splits):
        path, _ = resolve_path(source)
        collections = zip(PARTS, (contents, contents.test), strict=True)
        return {name: pictures for name, pictures in collections if pictures}, _hash_stats(contents, path)
    splits = zip(PARTS, (contents.images, contents.test), strict=True)
    parts = {name: images for name, images in splits if images is not None}
    fingerprints = " ".join(images.fingerprint for images in parts.values())
    return {name: as_collection(images, source) for name, images in parts.items()}, _hash(fingerprints)


def _hash_stats(pictures: Collection, base: Path) -> str:
    """Hash the number of pictures, and the path, size and modification time of each file."""
    count = len(pictures) + (len(pictures.test) if pictures.test else 0)
    digest = sha256(f"{count}\n{pictures.label_text}\n".encode())
    for path in pictures.stored:
        try:
            stat = path.stat()
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror}") from error
        digest.update(f"{relpath(path, base)}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode("utf-8", "replace"))
    return digest.hexdigest()


def _hash(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def _require_free(out: Path) -> None:
    if (out / MANIFEST).exists() and not (out / PREPARING).exists():
        raise AlaeError(f"{out} is a prepared set already; choose another directory, or remove it")
    if out.exists() and not out.is_dir():
        raise AlaeError(f"{out} is a file; choose a new directory")
    if out.is_dir() and not (out / PREPARING).exists() and any(entry.name != LOCK for entry in out.iterdir()):
        raise AlaeError(f"{out} is not empty; choose a new directory")
