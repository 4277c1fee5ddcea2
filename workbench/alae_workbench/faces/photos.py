"""From photos to aligned faces: which faces are taken, how large they become, and what is said of each photo."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from PIL import Image

from alae_core._support.files import written_whole
from alae_core._support.text import one_line
from alae_core.config import Config
from alae_workbench.data.formats.folder import image_files
from alae_workbench.data.load import path_of
from alae_workbench.data.pictures import ENDINGS, read_photo
from alae_workbench.data.source import DataError, by
from alae_workbench.faces.align import Crop, cut, face_square, side_length
from alae_workbench.faces.detector import Face

#: pixels a side of what is cut out, where nobody says: a power of two between these
SMALLEST, LARGEST = 64, 1024

Tell = Callable[[str], None]


class Finder(Protocol):
    """What finds faces, such as a `Detector`."""

    def find_faces(self, photo: Image.Image) -> list[Face]:
        """The faces in an upright RGB photo, the largest first."""


class Counts(NamedTuple):
    """What became of some photos."""

    photos: int
    faces: int
    without: int
    unreadable: int

    def __str__(self) -> str:
        text = f"{_many(self.faces, 'face')} of {_many(self.photos, 'photo')}"
        left_out = [f"{self.without} without a face"] * bool(self.without)
        left_out += [f"{self.unreadable} cannot be read"] * bool(self.unreadable)
        return "; ".join([text, *left_out])


def plan_outputs(source: str, out: Path, *, every: bool = False) -> dict[Path, Path]:
    """Where the face of each photo goes: it is named as the photo is, in a subfolder of the same name.

    Args:
        source: an image file, or a folder with photos at any depth.
        out: a new or empty directory; or for a single photo, unless `every`, also a file that ends in .png.
        every: whether a photo may give several faces.

    Raises DataError where there are no photos, or `out` is nothing of the kind, not empty, or within `source`.
    """
    photos = _photos(source)
    root, is_folder = path_of(source)
    if out.suffix.lower() == ".png":
        if is_folder or every:
            raise DataError(f"{out} should be a directory: there may be several faces")
        return {photos[0]: out}
    if out.exists() and not out.is_dir():
        raise DataError(f"{out} is a file: give a new directory, or for one photo a file that ends in .png")
    if is_folder and out.absolute().resolve().is_relative_to(root.resolve()):
        raise DataError(f"{out} lies in {root}: its faces would be taken for photos the next time")
    if out.exists() and any(out.iterdir()):
        raise DataError(f"{out} is not empty: give a new directory")
    base = root if is_folder else root.parent
    return dict(_named(photos, base, out))


def align_photos(
    finder: Finder,
    outputs: Mapping[Path, Path],
    *,
    size: int | None = None,
    crop: Crop = "ffhq",
    every: bool = False,
    tell: Tell = print,
) -> Counts:
    """Write the aligned faces in photos as PNG files of their own, each whole or not at all.

    Args:
        finder: what finds faces.
        outputs: where the face of each photo goes (`planned`); with `every`, a number follows the name.
        size: pixels a side; by default the largest power of two that makes no face larger, 64 … 1024.
        crop: see `align.square`.
        every: take every face, the largest first, instead of the largest alone.
        tell: called with a line about each photo.

    Raises DataError where no photo has a face; nothing is written then.
    """
    faces = without = unreadable = 0
    for photo, name in outputs.items():
        try:
            cuts = _cuts(finder, photo, size, crop, every, tell)
        except DataError as error:
            tell(one_line(f"{error}: left out"))
            unreadable += 1
            continue
        without += not cuts
        for number, image in enumerate(cuts, start=1):
            path = name.with_name(f"{name.stem}-{number}.png") if every else name
            path.parent.mkdir(parents=True, exist_ok=True)
            with written_whole(path) as file:
                image.save(file, "png")
        faces += len(cuts)
    counts = Counts(len(outputs), faces, without, unreadable)
    if not faces:
        raise DataError(f"no face was found: {counts}")
    return counts


def read_aligned_faces(
    finder: Finder, source: str, config: Config, *, margin: int, crop: Crop, most: int, tell: Tell
) -> np.ndarray:
    """The largest face of each of the first photos, as a model sees images, until there are `most`.

    Returns:
        uint8 (count, H, W, C), of the configuration's shape less the margin on each side.

    Raises DataError where no photo has a face, one cannot be read, or the images are not square.
    """
    height, width, channels = config.image
    if height != width or channels not in (1, 3):
        raise DataError(
            f"faces are cut out as squares of 1 or 3 channels, but the model's images are {by(config.image)}"
        )
    found: list[np.ndarray] = []
    for photo in _photos(source):
        if len(found) == most:
            break
        for image in _cuts(finder, photo, height - 2 * margin, crop, False, tell):
            found.append(np.asarray(image.convert("L" if channels == 1 else "RGB")).reshape(*image.size, channels))
    if not found:
        raise DataError(f"no face was found in {source}")
    return np.stack(found)


def _cuts(finder: Finder, path: Path, size: int | None, crop: Crop, every: bool, tell: Tell) -> list[Image.Image]:
    """The aligned faces of a photo that are to be taken, once it has been told of."""
    photo = read_photo(path)
    faces = finder.find_faces(photo)
    if not faces:
        tell(one_line(f"{path}: no face found"))
        return []
    cuts, small = [], []
    for face in faces if every else faces[:1]:
        corners = face_square(face.landmarks, crop)
        side = side_length(corners)
        pixels = size or min(LARGEST, max(SMALLEST, 2 ** int(np.log2(side))))
        cuts.append(cut(photo, corners, pixels))
        if side < pixels:
            small.append(f"{side:.0f} pixels enlarged to {pixels}")
    taken = "" if len(faces) == 1 else ", all taken" if every else ", the largest taken"
    sizes = ", ".join(dict.fromkeys(f"{image.width}×{image.height}" for image in cuts))
    told = [f"{_many(len(faces), 'face')}{taken}: {sizes}"]
    if small:
        told.append(f"small: {', '.join(small)}")
    tell(one_line(f"{path}: {'; '.join(told)}"))
    return cuts


def _photos(source: str) -> Sequence[Path]:
    path, is_folder = path_of(source)
    if is_folder is None or not source:
        raise DataError(f"{path} is not there: give a photo or a folder of photos")
    if is_folder:
        return image_files(path)
    if path.suffix.lower() not in ENDINGS:
        raise DataError(f"{path} is no photo: it should end in {', '.join(ENDINGS)}")
    return [path]


def _named(photos: Sequence[Path], base: Path, out: Path) -> Iterator[tuple[Path, Path]]:
    stems = [photo.relative_to(base).with_suffix("") for photo in photos]
    for photo, stem in zip(photos, stems, strict=True):
        # Photos that differ in their endings alone keep them.
        yield photo, out / (f"{stem}.png" if stems.count(stem) == 1 else f"{photo.relative_to(base)}.png")


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
