"""Make a configuration for a user's images: `alae new` writes it, and `alae train --data` uses it."""

from dataclasses import dataclass
from math import log2

from alae_core import AlaeError, ArgumentError
from alae_core.config import RUN, load_config
from alae_workbench.data.survey import Survey
from alae_workbench.runs.settings import Experiment, change_experiment

#: default training length, in images
IMAGES = 1_000_000
#: the largest size that is chosen automatically, in pixels
LARGEST = 128

# With at least this many images, networks are as wide as the published ones. Narrower ones learn faster, but end worse.
_WIDE = 500_000
# The published batch size at each resolution; above 64, that of 64.
_BATCHES = {4: 512, 8: 256, 16: 128, 32: 64, 64: 32}
# The published batch size is halved until a level has this many steps.
_STEPS = 500
_SMALLEST_BATCH = 16
# As published: the fraction of all images shown at the last level, and the half-life of running averages in images.
_LAST, _HALFLIFE = 0.5, 10_000


@dataclass(frozen=True)
class Proposal:
    """An experiment, and a line that explains each choice."""

    experiment: Experiment
    reasons: tuple[str, ...]


def propose(survey: Survey, *, size: int | None = None, images: int = IMAGES) -> Proposal:
    """Make a configuration of StyleALAE for the images that `survey` describes.

    Its shape follows the images; growth and widths follow the published configurations, scaled to the training length.

    Args:
        survey: the number, size and channels of the images.
        size: height and width of the model's images in pixels, a power of two from 8; by default the largest within
            the median shorter side, at most 128. Arrays are not resized.
        images: training length in images, at least 1,000.

    Raises:
        ArgumentError: models cannot have this size, or the training is too short.
        AlaeError: the images are too few or too small, or are arrays of a shape that style networks cannot have.
    """
    if survey.count < 2:
        raise AlaeError(f"{survey.name} has {survey.count} image; training needs at least 2, one of them held out")
    if images < 1_000:
        raise ArgumentError("images", f"is {images}; it must be at least 1,000")
    size, margin, why_size = _choose_size(survey, size)
    resolutions = [2**k for k in range(2, size.bit_length())]
    held_out = min(0.1, 10_000 / survey.count)
    wide = images >= _WIDE
    levels = _choose_levels(resolutions, images)
    steps = sum(-(-level["images"] // level["batch_size"]) for level in levels)
    startf, maxf = _choose_widths(size, wide)
    latent = {False: 64, True: 256}[wide] if size <= LARGEST else 512
    mirror = survey.channels == 3
    changes = {
        "description": f"StyleALAE for {survey.name}",
        "image": [size, size, survey.channels],
        "networks": {"startf": startf, "maxf": maxf, "z": latent, "w": latent, "mapping_layers": 8 if wide else 4},
        "growth.levels": levels,
        "batch_size": levels[-1]["batch_size"],
        "average_halflife": float(min(_HALFLIFE, images // 20)),
        RUN: {
            "data": survey.path,
            "margin": margin,
            "mirror": mirror,
            "held_out": held_out,
            "report_every": max(10, steps // 200),
            "checkpoint_every": max(100, steps // 20),
            "grid_every": max(1, images // 20),
        },
    }
    kept = max(1, round(held_out * survey.count))
    reasons = (
        why_size,
        "3 channels: some images are in colour" if survey.channels == 3 else "1 channel: all images are grey",
        f"{startf} to {maxf} feature maps, z and w of {latent}: {'as' if wide else 'narrower than'} published, for "
        f"a training length of {images:,} images",
        f"{len(levels)} levels from 4×4, half of the images at the last one; batch sizes "
        f"{', '.join(str(level['batch_size']) for level in levels)}: {steps:,} steps",
        f"{kept:,} of {survey.count:,} images held out, to measure with",
        *(["images are mirrored at random: set training.mirror=false if left and right differ"] if mirror else []),
    )
    return Proposal(
        change_experiment(load_config("celeba"), {}, changes, f"the configuration for {survey.name}"), reasons
    )


def _choose_size(survey: Survey, asked: int | None) -> tuple[int, int, str]:
    """Return the model's size and the margin around the images, both in pixels, and the reason."""
    if asked is not None and (asked < 8 or asked.bit_count() != 1):
        raise ArgumentError("size", f"is {asked}; style networks make images of 8, 16, 32, … pixels")
    if survey.fixed is None:
        size = asked or min(LARGEST, 2 ** int(log2(max(survey.side, 1))))
        if size < 8:
            raise AlaeError(
                f"the images of {survey.name} have a median shorter side of {survey.side} pixels; it must be at least 8"
            )
        why = "as requested" if asked else f"the largest power of two within the median shorter side of {survey.side:,}"
        if size == LARGEST and not asked and survey.side >= 2 * LARGEST:
            why = (
                f"the largest chosen automatically (see `alae new --size`); the median shorter side is {survey.side:,}"
            )
        return size, 0, f"size {size}: {why}; each image is cropped about its centre and resized"
    height, width = survey.fixed
    size = max(8, 2 ** (max(height, width) - 1).bit_length())
    margin, odd = divmod(size - height, 2)
    if height != width or odd or margin > height // 4:
        raise AlaeError(
            f"the images of {survey.name} are {height}×{width}, which style networks cannot make, even with a margin; "
            f"resize them to {size // 2}×{size // 2} or {size}×{size}, or use image files, which are resized"
        )
    if asked not in (None, size):
        raise ArgumentError(
            "size", f"is {asked}, but the images of {survey.name} are {height}×{width}; arrays are not resized"
        )
    framed = f" within a margin of {margin}" if margin else ""
    return size, margin, f"size {size}: the images are {height}×{width}{framed}"


def _choose_widths(size: int, wide: bool) -> tuple[int, int]:
    """Return the number of feature maps at the last level, and its maximum over all levels."""
    if not wide:
        return max(1, 32 * 32 // max(size, 32)), 128
    # As in celeba, celeba-hq256 and ffhq: halved whenever the size doubles.
    return (64, 256) if size <= 128 else (max(1, 64 * 256 // size), 512)


def _choose_levels(resolutions: list[int], images: int) -> list[dict[str, float]]:
    below = len(resolutions) - 1
    early = int(images * (1 - _LAST)) // below
    levels: list[dict[str, float]] = []
    for i, resolution in enumerate(resolutions):
        shown = early if i < below else images - below * early
        largest = _BATCHES.get(resolution, _BATCHES[64])
        affordable = 2 ** int(log2(max(shown // _STEPS, 1)))
        level: dict[str, float] = {"images": shown, "batch_size": min(largest, max(_SMALLEST_BATCH, affordable))}
        if i:
            # The last level fades in over as many images as the others, as published.
            level["fade"] = 0.5 if i < below else round(0.5 * early / shown, 3)
        levels.append(level)
    return levels
