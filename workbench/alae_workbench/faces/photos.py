"""Align the faces in photos: choose and crop faces, and report one line about each photo."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from PIL import Image

from alae_core._support.files import atomic_file
from alae_core._support.text import one_line
from alae_core.config import Config
from alae_workbench.data.formats.folder import list_picture_files
from alae_workbench.data.picture_file import read_photo
from alae_workbench.data.picture_formats import ENDINGS
from alae_workbench.data.resolve import resolve_path
from alae_workbench.data.source import DataError, format_shape
from alae_workbench.faces.align import Crop, crop_square, face_square, side_length
from alae_workbench.faces.detector import Face

# Bounds of the default size of a crop in pixels.
_SMALLEST, _LARGEST = 64, 1024

Tell = Callable[[str], None]


class Finder(Protocol):
    """The part of a `Detector` that this module needs."""

    def find_faces(self, photo: Image.Image) -> list[Face]:
        """Find the faces in an upright RGB photo, sorted from largest to smallest."""


class Counts(NamedTuple):
    """Numbers of photos, of faces written, and of photos without a face or unreadable."""

    photos: int
    faces: int
    without: int
    unreadable: int

    def __str__(self) -> str:
        parts = [f"{_format_count(self.faces, 'face')} in {_format_count(self.photos, 'photo')}"]
        parts += [f"{self.without} without a face"] * bool(self.without)
        parts += [f"{self.unreadable} unreadable"] * bool(self.unreadable)
        return "; ".join(parts)


def plan_outputs(source: str, out: Path, *, all_faces: bool = False) -> dict[Path, Path]:
    """Choose the file for the face of each photo: the photo's path below `source`, with the ending .png, in `out`.

    Args:
        source: a picture file, or a folder with photos at any depth.
        out: a new or empty directory; for one photo, unless `all_faces`, also a file that ends in .png.
        all_faces: whether a photo may give several faces.

    Raises DataError if `source` has no photos, or `out` cannot be used: another kind of file, not empty, or inside
    `source`.
    """
    photos = _list_photos(source)
    root, is_folder = resolve_path(source)
    if out.suffix.lower() == ".png":
        if is_folder or all_faces:
            raise DataError(f"{out} must be a directory, because there may be several faces")
        return {photos[0]: out}
    if out.exists() and not out.is_dir():
        raise DataError(f"{out} is a file; choose a new directory, or for one photo a file that ends in .png")
    if is_folder and out.absolute().resolve().is_relative_to(root.resolve()):
        raise DataError(f"{out} is inside {root}, so the next run would read faces as photos; choose another directory")
    if out.exists() and any(out.iterdir()):
        raise DataError(f"{out} is not empty; choose a new directory")
    base = root if is_folder else root.parent
    return dict(_pair_with_outputs(photos, base, out))


def align_photos(
    finder: Finder,
    outputs: Mapping[Path, Path],
    *,
    size: int | None = None,
    crop: Crop = "ffhq",
    all_faces: bool = False,
    tell: Tell = print,
) -> Counts:
    """Write an upright crop of the largest face in each photo as a PNG file, atomically.

    Args:
        finder: detects the faces, such as `detector.Detector()`.
        outputs: the file for each photo: see `plan_outputs`.
        size: height and width in pixels; by default the largest power of two that does not enlarge the face, within
            64 … 1024.
        crop: how much of the surroundings to include: see `align.face_square`.
        all_faces: write all faces of a photo, from the largest; a number is appended to the names.
        tell: called with one line about each photo.

    Raises DataError if no photo has a face; nothing is written then.
    """
    faces = without = unreadable = 0
    for photo, name in outputs.items():
        try:
            crops = _crop_faces(finder, photo, size, crop, all_faces, tell)
        except DataError as error:
            tell(one_line(f"{error}: skipped"))
            unreadable += 1
            continue
        without += not crops
        for number, image in enumerate(crops, start=1):
            path = name.with_name(f"{name.stem}-{number}.png") if all_faces else name
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_file(path) as file:
                image.save(file, "png")
        faces += len(crops)
    counts = Counts(len(outputs), faces, without, unreadable)
    if not faces:
        raise DataError(f"no face was found: {counts}")
    return counts


def read_aligned_faces(
    finder: Finder, source: str, config: Config, *, margin: int, crop: Crop, limit: int, tell: Tell
) -> np.ndarray:
    """Crop the largest face in each photo to the image size of a model, until there are `limit` faces.

    Args:
        finder, crop, tell: see `align_photos`.
        source: a picture file, or a folder with photos at any depth.
        config: the model's configuration.
        margin: pixels of the model's images to leave free on each side.
        limit: the maximum number of faces.

    Returns:
        uint8 (count, H, W, C), without the margin.

    Raises DataError if no photo has a face, a photo cannot be read, or the model's images are not square.
    """
    height, width, channels = config.image
    if height != width or channels not in (1, 3):
        raise DataError(
            f"faces are cropped to squares of 1 or 3 channels, but the model's images are {format_shape(config.image)}"
        )
    faces: list[np.ndarray] = []
    for photo in _list_photos(source):
        if len(faces) == limit:
            break
        for image in _crop_faces(finder, photo, height - 2 * margin, crop, False, tell):
            faces.append(np.asarray(image.convert("L" if channels == 1 else "RGB")).reshape(*image.size, channels))
    if not faces:
        raise DataError(f"no face was found in {source}")
    return np.stack(faces)


def _crop_faces(
    finder: Finder, path: Path, size: int | None, crop: Crop, all_faces: bool, tell: Tell
) -> list[Image.Image]:
    """Crop the largest face in a photo, or all faces, and report them in one line."""
    photo = read_photo(path)
    faces = finder.find_faces(photo)
    if not faces:
        tell(one_line(f"{path}: no face found"))
        return []
    crops, enlarged = [], []
    for face in faces if all_faces else faces[:1]:
        corners = face_square(face.landmarks, crop)
        side = side_length(corners)
        pixels = size or min(_LARGEST, max(_SMALLEST, 2 ** int(np.log2(side))))
        crops.append(crop_square(photo, corners, pixels))
        if side < pixels:
            enlarged.append(f"{side:.0f}")
    used = "" if len(faces) == 1 else ", used all" if all_faces else ", used the largest"
    sizes = ", ".join(dict.fromkeys(f"{image.width}×{image.height}" for image in crops))
    report = f"{_format_count(len(faces), 'face')}{used}: {sizes}"
    if enlarged:
        report += f"; enlarged from {', '.join(enlarged)} pixels"
    tell(one_line(f"{path}: {report}"))
    return crops


def _list_photos(source: str) -> Sequence[Path]:
    path, is_folder = resolve_path(source)
    if is_folder is None or not source:
        raise DataError(f"{path} does not exist; give a photo or a folder of photos")
    if is_folder:
        return list_picture_files(path)
    if path.suffix.lower() not in ENDINGS:
        raise DataError(f"{path} is not a photo; its name must end in {', '.join(ENDINGS)}")
    return [path]


def _pair_with_outputs(photos: Sequence[Path], base: Path, out: Path) -> Iterator[tuple[Path, Path]]:
    stems = [photo.relative_to(base).with_suffix("") for photo in photos]
    for photo, stem in zip(photos, stems, strict=True):
        # Keep the endings of photos that have the same name otherwise.
        yield photo, out / (f"{stem}.png" if stems.count(stem) == 1 else f"{photo.relative_to(base)}.png")


def _format_count(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
