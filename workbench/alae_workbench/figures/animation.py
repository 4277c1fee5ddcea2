"""Animations of images: .gif and .webp by Pillow, .mp4 by FFmpeg."""

from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from itertools import chain
from pathlib import Path

import numpy as np

from alae_core import AlaeError
from alae_core._support.files import atomic_path
from alae_workbench.figures.grid import enlarge
from alae_workbench.figures.image_files import to_picture

#: the endings of animations
ENDINGS = (".gif", ".webp", ".mp4")
# Images are enlarged by a whole factor until the longer side has this many pixels: players blur small images.
_SIDE = 256


def require_encoder(out: Path) -> None:
    """Raise AlaeError if `out` is a .mp4, and the package that writes it is not installed."""
    if out.suffix == ".mp4" and find_spec("imageio_ffmpeg") is None:
        raise AlaeError(f"{out} needs the package imageio-ffmpeg: pip install 'alae[video]', or write a .gif or .webp")


def save_animation(out: Path, batches: Iterable[np.ndarray], fps: float) -> int:
    """Write an animation atomically, create its directory, and return the number of frames.

    Args:
        out: a file with one of `ENDINGS`. A .gif or .webp repeats for ever.
        batches: frames in order, floats (batch, H, W, C) in [−1, 1].
        fps: frames per second; .gif stores whole hundredths of a second per frame.

    Raises AlaeError as `require_encoder`, or if FFmpeg fails.
    """
    require_encoder(out)
    frames = (_fit_frame(image) for batch in batches for image in batch)
    out.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(out) as writing:
        return (_write_video if out.suffix == ".mp4" else _write_pictures)(writing, frames, fps)


def _fit_frame(image: np.ndarray) -> np.ndarray:
    return enlarge(image, max(1, -(-_SIDE // max(image.shape[:2]))))


def _write_pictures(out: Path, frames: Iterator[np.ndarray], fps: float) -> int:
    first, *others = map(to_picture, frames)
    first.save(out, save_all=True, append_images=others, duration=max(10, round(1000 / fps)), loop=0)
    return 1 + len(others)


def _write_video(out: Path, frames: Iterator[np.ndarray], fps: float) -> int:
    from imageio_ffmpeg import write_frames

    first = next(frames)
    height, width = first.shape[:2]
    # Colours have half the resolution, which all players show; so sides must be even.
    padding = ((0, height % 2), (0, width % 2), (0, 0))
    size = (width + width % 2, height + height % 2)
    writer = write_frames(str(out), size, fps=fps, quality=8, macro_block_size=1, ffmpeg_log_level="error")
    count = 0
    try:
        writer.send(None)
        for frame in chain([first], frames):
            writer.send(to_picture(np.pad(frame, padding, mode="edge")).convert("RGB").tobytes())
            count += 1
        writer.close()
    except OSError as error:
        raise AlaeError(f"FFmpeg could not write {out.name}: {str(error).splitlines()[0]}") from error
    return count
