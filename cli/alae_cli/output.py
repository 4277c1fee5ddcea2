"""Write the files of commands atomically, create their directories if necessary, and print each path."""

from collections.abc import Iterator
from itertools import chain
from math import prod
from pathlib import Path
from shutil import disk_usage
from typing import TYPE_CHECKING

from alae_core import AlaeError

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure
    from PIL.Image import Image


def write_picture(out: Path, picture: "Image | Figure") -> None:
    """Write a picture as .png, .svg or .pdf, and print its path, and its description if it has one."""
    from alae_workbench.figures.save import save_figure

    save_figure(out, picture)
    description = getattr(picture, "info", {}).get("description")
    print(f"{out}: {description}" if description else out)


def write_array(out: Path, parts: Iterator["np.ndarray"], count: int) -> None:
    """Write an array of `count` rows that comes in parts as .npy, and print its path and shape.

    Only one part is in memory at a time. Raises AlaeError if it does not fit on the disk.
    """
    import numpy as np

    from alae_core._support.files import atomic_file
    from alae_workbench.data.source import format_shape

    first = next(parts)
    shape = (count, *first.shape[1:])
    needed = first.itemsize * prod(shape)
    free = disk_usage(next(parent for parent in out.absolute().parents if parent.exists())).free
    if needed > free:
        raise AlaeError(f"{out} needs {needed:,} bytes, but only {free:,} are free: ask for fewer images")
    out.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(out) as file:
        header = {"descr": first.dtype.str, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for part in chain([first], parts):
            file.write(part.tobytes())
    print(f"{out}: {count} × {format_shape(shape[1:])}")
