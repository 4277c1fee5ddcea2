"""Write the files of commands atomically, create their directories if necessary, and print each path."""

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

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


def write_animation(out: Path, batches: Iterable["np.ndarray"], fps: float) -> None:
    """Write an animation as .gif, .webp or .mp4, and print its path, frames and duration."""
    from alae_workbench.figures.animation import save_animation

    count = save_animation(out, batches, fps)
    print(f"{out}: {count} frames, {count / fps:.1f} s")


def write_array(out: Path, parts: Iterator["np.ndarray"], count: int) -> None:
    """Write an array of `count` rows that comes in parts as .npy, and print its path and shape.

    Only one part is in memory at a time. Raises AlaeError if it does not fit on the disk.
    """
    from alae_workbench.data.source import format_shape
    from alae_workbench.figures.image_files import open_npy

    first = next(parts)
    with open_npy(out, count, first) as write:
        for part in chain([first], parts):
            write(part)
    print(f"{out}: {count} × {format_shape(first.shape[1:])}")


def write_images(
    out: Path,
    batches: Iterable[tuple["np.ndarray", "np.ndarray"]],
    count: int,
    names: Iterable[str],
    save_w: bool = False,
) -> None:
    """Write images as `options.images_out` describes, and print the paths.

    Args:
        out: the file or folder.
        batches: latents and images, a batch at a time.
        count: the number of images.
        names: the names of pictures in a folder.
        save_w: whether to write the latents too, to `locate_latents`.
    """
    from alae_core._support.text import count_things
    from alae_workbench.data.source import format_shape
    from alae_workbench.figures.image_files import write_images as write

    latents = locate_latents(out) if save_w else None
    shape = write(out, batches, count, names, latents)
    # Measures of a folder include all pictures in it.
    others = sum(1 for _ in out.glob("*.png")) - count if out.is_dir() else 0
    were = "was" if others == 1 else "were"
    beside = f", beside {count_things(others, 'picture')} that {were} there before" if others > 0 else ""
    print(f"{out}: {count} × {format_shape(shape)}{beside}")
    if latents:
        print(f"{latents}: their latents w")


def locate_latents(out: Path) -> Path:
    """Return the file that --save-w writes beside `out`."""
    return out.with_name(f"{out.name.removesuffix(out.suffix)}.w.npy")
