"""The option --out of commands that write pictures and arrays: the endings that they take, and checks of a path."""

from os import W_OK, access
from os.path import isdir
from pathlib import Path

from alae_core import ArgumentError

#: endings of pictures, and of arrays of images
PICTURES, ARRAYS = (".png", ".svg", ".pdf"), (".npy", ".npz")
#: endings of animations
ANIMATIONS = (".gif", ".webp", ".mp4")


def require_ending(out: Path, *endings: str) -> None:
    """Raise ArgumentError unless `out` ends in one of the endings, and can be written."""
    if out.suffix not in endings:
        raise ArgumentError("out", f"is {out}; it must end in {' or '.join(endings)}")
    _require_writable(out)


def require_images_out(out: Path, source: str | None = None) -> None:
    """Raise ArgumentError unless images can be written to `out`: see `images_out`. `source` must be another folder."""
    if not is_folder(out):
        require_ending(out, *PICTURES, *ARRAYS)
        return
    _require_writable(out)
    if source and isdir(source) and out.resolve() == Path(source).resolve():
        raise ArgumentError("out", f"is {out}, the folder of the images themselves: choose another folder")


def is_folder(out: Path) -> bool:
    """Whether `out` is a folder for a picture of each image."""
    return not out.suffix or isdir(out)


def is_figure(out: Path, count: int | None) -> bool:
    """Whether `out` is a figure of several images, given the value of --count."""
    return not is_folder(out) and out.suffix in PICTURES and not (out.suffix == ".png" and count == 1)


def _require_writable(out: Path) -> None:
    # Now, because the content of some files takes hours to compute.
    folder = next(parent for parent in (out.absolute(), *out.absolute().parents) if isdir(parent))
    between = next((parent for parent in out.parents if parent.exists() and not isdir(parent)), None)
    if between:
        raise ArgumentError("out", f"is {out}, but {between} is a file, not a folder: choose another place")
    if not access(folder, W_OK):
        raise ArgumentError("out", f"is {out}, but {folder} cannot be written to: choose another place")
