"""A configuration for images that no preset was made for: what `alae new` writes, and `alae train --data` takes."""

from dataclasses import dataclass
from math import log2

from alae_core import AlaeError, ArgumentError
from alae_core.config import RUN, load_config
from alae_workbench.data.survey import Survey
from alae_workbench.runs.settings import Experiment, changed

#: real images that training shows where nobody says how many
IMAGES = 1_000_000
#: the largest size that is chosen unasked
LARGEST = 128

# From this budget on, networks are as wide as the published ones: narrower ones learn faster and get less far.
_WIDE = 500_000
# The published batch at each resolution; at all above, the last.
_BATCHES = {4: 512, 8: 256, 16: 128, 32: 64, 64: 32}
# Steps that a level has at least, before its batch is as large as the published one.
_STEPS = 500
_SMALLEST_BATCH = 16
# The share of the published models' images that the last level has, and the images after which averages forget half.
_LAST, _HALFLIFE = 0.5, 10_000


@dataclass(frozen=True)
class Proposal:
    """An experiment, and in a line for each choice, why it is so."""

    experiment: Experiment
    reasons: tuple[str, ...]


def propose(survey: Survey, *, size: int | None = None, images: int = IMAGES) -> Proposal:
    """A StyleALAE for the images that `survey` saw.

    Shape follows the images, growth and widths the published configurations, scaled to the budget.

    Args:
        survey: what the images are.
        size: height and width of the model's images, a power of two from 8; by default the largest at most the median
            shorter side, and at most 128. Images in arrays keep their own.
        images: how many real images training shows in all.

    Raises:
        ArgumentError: no model can have such a size, or training so few images.
        AlaeError: the images are too few or too small, or arrays of a shape that style networks cannot have.
    """
    if survey.count < 2:
        raise AlaeError(f"{survey.name} has {survey.count} image: training needs more, and one to be kept out")
    if images < 1_000:
        raise ArgumentError("images", f"is {images}, too few to train anything: it should be 1,000 or more")
    size, margin, why_size = _size(survey, size)
    resolutions = [2**k for k in range(2, size.bit_length())]
    held_out = min(0.1, 10_000 / survey.count)
    wide = images >= _WIDE
    levels = _levels(resolutions, images)
    steps = sum(-(-level["images"] // level["batch_size"]) for level in levels)
    startf, maxf = _widths(size, wide)
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
        f"{images:,} images shown in training",
        f"{len(levels)} levels from 4×4, half of the images at the last; batches of "
        f"{', '.join(str(level['batch_size']) for level in levels)}: {steps:,} steps",
        f"{kept:,} of {survey.count:,} images kept out of training, to measure with",
        *(["mirrored at random: set training.mirror=false where left and right differ"] if mirror else []),
    )
    return Proposal(changed(load_config("celeba"), {}, changes, f"the configuration for {survey.name}"), reasons)


def _size(survey: Survey, asked: int | None) -> tuple[int, int, str]:
    """The model's size, the margin around the images, and why."""
    if asked is not None and (asked < 8 or asked.bit_count() != 1):
        raise ArgumentError("size", f"is {asked}, but style networks make images of 8, 16, 32, … pixels")
    if survey.fixed is None:
        size = asked or min(LARGEST, 2 ** int(log2(max(survey.side, 1))))
        if size < 8:
            raise AlaeError(f"the images of {survey.name} are {survey.side} pixels wide in the median: 8 are the least")
        why = "as asked" if asked else f"the largest power of two within the median shorter side of {survey.side:,}"
        if size == LARGEST and not asked and survey.side >= 2 * LARGEST:
            why = f"the largest that is chosen unasked; the median shorter side is {survey.side:,} (`alae new --size`)"
        return size, 0, f"size {size}: {why}; each image is cropped about its centre and resized"
    height, width = survey.fixed
    size = max(8, 2 ** (max(height, width) - 1).bit_length())
    margin, odd = divmod(size - height, 2)
    if height != width or odd or margin > height // 4:
        raise AlaeError(
            f"the images of {survey.name} are {height}×{width}, which no style networks make, even in a frame: resize "
            f"them to {size // 2}×{size // 2} or {size}×{size}, or give a folder of image files, which are resized"
        )
    if asked not in (None, size):
        raise ArgumentError(
            "size", f"is {asked}, but the images of {survey.name} are {height}×{width}, and arrays are not resized"
        )
    framed = f" within a margin of {margin}" if margin else ""
    return size, margin, f"size {size}: the images are {height}×{width}{framed}"


def _widths(size: int, wide: bool) -> tuple[int, int]:
    """Feature maps at the last level and at the most."""
    if not wide:
        return max(1, 32 * 32 // max(size, 32)), 128
    # celeba, celeba-hq256, and ffhq halved with each doubling beyond.
    return (64, 256) if size <= 128 else (max(1, 64 * 256 // size), 512)


def _levels(resolutions: list[int], images: int) -> list[dict[str, float]]:
    below = len(resolutions) - 1
    early = int(images * (1 - _LAST)) // below
    levels: list[dict[str, float]] = []
    for i, resolution in enumerate(resolutions):
        shown = early if i < below else images - below * early
        most = _BATCHES.get(resolution, _BATCHES[64])
        fitting = 2 ** int(log2(max(shown // _STEPS, 1)))
        level: dict[str, float] = {"images": shown, "batch_size": min(most, max(_SMALLEST_BATCH, fitting))}
        if i:
            # The last fades in over as many images as the others, as published.
            level["fade"] = 0.5 if i < below else round(0.5 * early / shown, 3)
        levels.append(level)
    return levels
