"""Files of images and latents for other programs: .npy, .npz, folders of pictures, and one picture.

Images come in batches, of which one is in memory at a time.
"""

import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from io import BytesIO
from itertools import chain
from math import prod
from pathlib import Path, PurePosixPath
from shutil import disk_usage
from typing import IO

import numpy as np
from PIL import Image

from alae_core import AlaeError
from alae_core._support.files import atomic_file, write_atomically
from alae_core.images import to_uint8

#: writes the next batch
Write = Callable[[np.ndarray], None]


def write_images(
    out: Path,
    batches: Iterable[tuple[np.ndarray, np.ndarray]],
    count: int,
    names: Iterable[str],
    latents: Path | None = None,
) -> tuple[int, ...]:
    """Write images, and their latents if `latents` is given, as a .npy file; create directories.

    Args:
        out: .npy takes the images as floats in [−1, 1]; .npz as uint8, in the array arr_0; .png takes one image; any
            other path is a folder, which takes a .png for each.
        batches: latents (batch, …) and images, floats (batch, H, W, C).
        count: the number of images.
        names: the names of the pictures in a folder, without ending.
        latents: the .npy file of latents.

    Returns:
        The shape of an image.

    Raises:
        AlaeError: an array is larger than the free space.
        OSError: a file cannot be written.
    """
    iterator = iter(batches)
    w, images = next(iterator)
    with ExitStack() as stack:
        write = stack.enter_context(_open_images(out, count, images, names))
        write_latents = stack.enter_context(open_npy(latents, count, w)) if latents else None
        for part, drawn in chain([(w, images)], iterator):
            write(drawn)
            if write_latents:
                write_latents(part)
    return images.shape[1:]


def _open_images(out: Path, count: int, first: np.ndarray, names: Iterable[str]) -> AbstractContextManager[Write]:
    if out.suffix == ".npy":
        return open_npy(out, count, first)
    if out.suffix == ".npz":
        return open_npz(out, count, first)
    if out.suffix == ".png" and not out.is_dir():
        return open_pictures(out.parent, iter([out.stem]))
    return open_pictures(out, iter(names))


@contextmanager
def open_npy(out: Path, count: int, first: np.ndarray) -> Iterator[Write]:
    """Open a .npy file for an array of `count` rows like those of `first`, which is not written yet."""
    shape = (count, *first.shape[1:])
    _require_space(out, first.itemsize * prod(shape))
    with atomic_file(out) as file:
        _write_header(file, first.dtype, shape)
        yield lambda part: _write_rows(file, part)


@contextmanager
def open_npz(out: Path, count: int, first: np.ndarray) -> Iterator[Write]:
    """Open a .npz file for `count` images like those of `first`, as uint8 in the array arr_0."""
    shape = (count, *first.shape[1:])
    _require_space(out, prod(shape))
    # Without a time, so that equal images give equal bytes. Not compressed: images hardly shrink.
    member = zipfile.ZipInfo("arr_0.npy")
    with (
        atomic_file(out) as file,
        zipfile.ZipFile(file, "w") as archive,
        archive.open(member, "w", force_zip64=True) as content,
    ):
        _write_header(content, np.dtype(np.uint8), shape)
        yield lambda part: _write_rows(content, to_uint8(part))


@contextmanager
def open_pictures(folder: Path, names: Iterator[str]) -> Iterator[Write]:
    """Open a folder for a .png of each image, of the next name."""
    folder.mkdir(parents=True, exist_ok=True)

    def write(part: np.ndarray) -> None:
        for image in part:
            content = BytesIO()
            to_picture(image).save(content, "png")
            write_atomically(folder / f"{next(names)}.png", content.getvalue())

    yield write


def to_picture(image: np.ndarray) -> Image.Image:
    """Convert an image, floats (H, W, C), to a picture of 8 bits: grey, grey and alpha, RGB or RGBA.

    Raises AlaeError for more than 4 channels.
    """
    pixels = to_uint8(image)
    if pixels.shape[-1] > 4:
        raise AlaeError(f"pictures have 1 to 4 channels, but these images have {pixels.shape[-1]}: write .npy or .npz")
    return Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)


def name_by_seed(seed: int, count: int) -> Iterator[str]:
    """Yield the names of samples of the seeds `seed`, `seed` + 1, …: seed0000, seed0001, …."""
    digits = max(4, len(str(seed + count - 1)))
    return (f"seed{number:0{digits}d}" for number in range(seed, seed + count))


def name_by_source(names: Sequence[str] | None, count: int) -> list[str]:
    """Return names for images that were made from others: those of the others, or image0000, image0001, ….

    Folders become part of the names, as in cats-1, if two files would have the same name.
    """
    digits = max(4, len(str(count - 1)))
    if names is None:
        return [f"image{number:0{digits}d}" for number in range(count)]
    paths = [PurePosixPath(name.replace("\\", "/")).with_suffix("") for name in names[:count]]
    stems = [path.name for path in paths]
    if len(set(stems)) == count:
        return stems
    joined = ["-".join(part for part in path.parts if part not in ("/", "..")) for path in paths]
    if len(set(joined)) == count:
        return joined
    return [f"{name}-{number:0{digits}d}" for number, name in enumerate(joined)]


def _require_space(out: Path, needed: int) -> None:
    """Create the directory of `out`. Raises AlaeError if fewer bytes are free."""
    free = disk_usage(next(parent for parent in out.absolute().parents if parent.exists())).free
    if needed > free:
        raise AlaeError(f"{out} needs {needed:,} bytes, but only {free:,} are free: ask for fewer images")
    out.parent.mkdir(parents=True, exist_ok=True)


def _write_header(file: IO[bytes], dtype: np.dtype, shape: tuple[int, ...]) -> None:
    header = {"descr": dtype.str, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)


def _write_rows(file: IO[bytes], rows: np.ndarray) -> None:
    file.write(rows.tobytes())
