"""What images there are, seen without decoding them: how many, how large, in colour or grey."""

from dataclasses import dataclass
from statistics import median

from alae_workbench.data.load import pictures_in, read_whole
from alae_workbench.data.pictures import fault, glance
from alae_workbench.data.source import DataError, Source

# Files whose headers are read: enough for a median, quick on any disk.
_LOOKED_AT = 2_000


@dataclass(frozen=True)
class Survey:
    """What a proposal has to know of images.

    Attributes:
        name: what they are called in messages.
        path: what `training.data` would say; None for images in hand.
        count: how many there are.
        side: their median shorter side in pixels.
        channels: 1 where all are grey, else 3.
        fixed: height and width, where all have the same and no reader resizes them: arrays.
    """

    name: str
    path: str | None
    count: int
    side: int
    channels: int
    fixed: tuple[int, int] | None = None


def survey(name: str) -> Survey:
    """What the data `name` is, as `training.data` names it; of image files only headers are read.

    Raises DataError where there is no such data, it cannot be read, or no image of a folder can.
    """
    found = read_whole(name)
    if found is not None:
        return survey_of(found.images, name, name)
    files = pictures_in(name).files
    # Spread over the folder, whose parts may differ.
    looked_at = files[:: max(1, len(files) // _LOOKED_AT)]
    seen = [each for each in map(glance, looked_at) if each is not None]
    if not seen:
        raise DataError(f"none of the {len(files):,} images in {name} can be read: {fault(files[0])}")
    count = len(files) if len(looked_at) < len(files) else len(seen)
    side = int(median(min(width, height) for width, height, _ in seen))
    return Survey(name, name, count, side, 3 if any(coloured for _, _, coloured in seen) else 1)


def survey_of(source: Source, name: str, path: str | None = None) -> Survey:
    """What the images of a source are: all of one size, which no reader changes."""
    height, width, channels = source.shape
    return Survey(name, path, len(source), min(height, width), channels, (height, width))
