"""A survey of images without decoding them: their number, size and channels, from which a configuration is proposed."""

from dataclasses import dataclass, replace
from statistics import median

from alae_workbench.data.options import DEFAULTS, SourceOptions
from alae_workbench.data.picture_file import describe_fault, read_header
from alae_workbench.data.resolve import Contents, open_source
from alae_workbench.data.source import DataError, Source, Splits

# Maximum number of headers that are read: enough for a median, and quick on any disk.
_MOST_HEADERS = 2_000


@dataclass(frozen=True)
class Survey:
    """Facts about images from which a configuration can be proposed.

    Attributes:
        name: the images' name in messages.
        path: the value of `training.data`; None for images in memory.
        count: number of images.
        side: median of their shorter sides, in pixels.
        channels: 1 if all are grey, else 3.
        fixed: height and width of images that are not resized, because they are arrays; else None.
        held_out: number of images in the source's own held-out split; 0 if it has none.
    """

    name: str
    path: str | None
    count: int
    side: int
    channels: int
    fixed: tuple[int, int] | None = None
    held_out: int = 0


def survey(name: str, options: SourceOptions = DEFAULTS) -> Survey:
    """Survey a data source; only the headers of picture files are read.

    Args:
        name: see `resolve.open_source`.
        options: which images of the source are read, and which part of each.

    Raises DataError if the data source does not exist, or no picture of it can be read.
    """
    return survey_contents(open_source(name, options), name, name, options)


def survey_contents(
    contents: Contents, name: str, path: str | None = None, options: SourceOptions = DEFAULTS
) -> Survey:
    """Survey an opened data source, or images in memory; `path` is the value of `training.data`.

    Raises DataError if no picture can be read.
    """
    if isinstance(contents, Splits):
        seen = survey_source(contents.images, name, path)
        return replace(seen, held_out=0 if contents.test is None else len(contents.test))
    files = contents.files
    # Sampled at even intervals, because subfolders may differ.
    sample = files[:: max(1, len(files) // _MOST_HEADERS)]
    headers = [header for header in map(read_header, sample) if header is not None]
    if not headers:
        raise DataError(f"none of the {len(files):,} images in {name} can be read: {describe_fault(files[0])}")
    count = len(files) if len(sample) < len(files) else len(headers)
    box = options.crop_box
    side = min(box.size) if box else int(median(min(header.width, header.height) for header in headers))
    channels = 3 if any(header.coloured for header in headers) else 1
    return Survey(name, path, count, side, channels, held_out=len(contents.test) if contents.test else 0)


def survey_source(source: Source, name: str, path: str | None = None) -> Survey:
    """Survey a source; all its images have one size."""
    height, width, channels = source.shape
    return Survey(name, path, len(source), min(height, width), channels, (height, width))
