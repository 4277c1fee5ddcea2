"""Make a configuration for a user's images: `alae new` writes it, and `alae train --data` uses it."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import ceil, log2
from typing import Any, Literal

from alae_core import AlaeError, ArgumentError
from alae_core.config import load_config
from alae_core.config_data import RUN
from alae_core.growth import position
from alae_workbench.data.survey import Survey
from alae_workbench.runs.settings import Experiment, change_experiment
from alae_workbench.runs.verdict import AUGMENT_P, OFTEN, needs_augmentation

#: default training length, in images
IMAGES = 200_000
#: with at least this many images, style networks are proposed
LONG = 1_000_000
#: the largest size that is chosen automatically for each family, in pixels
LARGEST = {"conv": 64, "style": 128}

# Sizes that the networks of each family can have: powers of two, or 4 to 8 times a power of two.
_SIZES = {
    "conv": [m * 2**k for k in range(1, 12) for m in (4, 5, 6, 7)],
    "style": [2**k for k in range(3, 14)],
}
# Style networks of at least this many images are as wide as the published ones. Narrower ones learn faster, but end
# worse.
_WIDE = 500_000
# The published batch size at each resolution; above 64, that of 64.
_BATCHES = {4: 512, 8: 256, 16: 128, 32: 64, 64: 32}
# The published batch size is halved until a level has this many steps.
_STEPS = 500
_SMALLEST_BATCH = 16
# As published: the fraction of all images shown at the last level, and the half-life of running averages in images.
_LAST, _HALFLIFE = 0.5, 10_000

Family = Literal["conv", "style"]


@dataclass(frozen=True)
class Reason:
    """Why settings have their values.

    Attributes:
        text: a line that gives the values and the reason, or a function that makes it for the experiment as changed.
        keys: the settings, as dotted keys.
    """

    text: str | Callable[[Experiment], str]
    keys: tuple[str, ...]

    def concerns(self, key: str) -> bool:
        """Whether a change of `key` changes one of the settings."""
        return any(f"{key}.".startswith(f"{own}.") or f"{own}.".startswith(f"{key}.") for own in self.keys)


@dataclass(frozen=True)
class Proposal:
    """An experiment, and the reasons for its choices."""

    experiment: Experiment
    reasons: tuple[Reason, ...]

    def explain(self, changes: Mapping[str, Any], experiment: Experiment | None = None) -> list[str]:
        """Return a line for each choice, and for each of the user's `changes` by dotted key that replaces one.

        Reasons are those of `experiment`, which has the changes; by default of the proposal itself.
        """
        experiment = experiment or self.experiment
        chosen = [
            reason.text if isinstance(reason.text, str) else reason.text(experiment)
            for reason in self.reasons
            if not any(map(reason.concerns, changes))
        ]
        replaced = [
            f"{key}={json.dumps(value, ensure_ascii=False, default=str)}: as requested"
            for key, value in changes.items()
            if any(reason.concerns(key) for reason in self.reasons)
        ]
        return chosen + replaced


def propose(
    survey: Survey, *, family: Family | None = None, size: int | None = None, images: int = IMAGES, cpu: bool = False
) -> Proposal:
    """Make a configuration for the images that `survey` describes.

    Conv networks follow docs/recipe.md. The growth and widths of style networks follow the published configurations,
    scaled to the training length.

    Args:
        survey: the number, size and channels of the images.
        family: conv or style networks; by default style networks for a training of at least `LONG` images.
        size: height and width of the model's images in pixels; by default the largest possible one within the median
            shorter side, at most `LARGEST`. Arrays are not resized.
        images: training length in images, at least 1,000.
        cpu: whether the model is to be trained on a CPU, which is too slow for style networks.

    Raises:
        ArgumentError: models cannot have this size, or the training is too short.
        AlaeError: the images are too few or too small, or are arrays of a shape that the networks cannot have.
    """
    if survey.count < 2:
        raise AlaeError(f"{survey.name} has {survey.count} image; training needs at least 2, one of them held out")
    if images < 1_000:
        raise ArgumentError("images", f"is {images}; it must be at least 1,000")
    chosen: Family = family or ("style" if images >= LONG and not cpu else "conv")
    size, margin, why_size = _choose_size(survey, chosen, size)
    held_out = min(0.1, 10_000 / survey.count)
    mirror = survey.channels == 3
    base, changes, steps, details = (_propose_conv if chosen == "conv" else _propose_style)(size, images)
    changes |= {
        "description": f"{chosen} networks for {survey.name}",
        "image": [size, size, survey.channels],
        RUN: {
            "data": survey.path,
            "margin": margin,
            "mirror": mirror,
            "held_out": held_out,
            "steps": None if chosen == "style" else steps,
            "report_every": max(10, steps // 200),
            "checkpoint_every": max(100, steps // 20),
            "grid_every": max(1, images // 20),
        },
    }
    kept = max(1, round(held_out * survey.count))
    # The source's own held-out images are held out; else some of the others.
    count, kept = (survey.count + survey.held_out, survey.held_out) if survey.held_out else (survey.count, kept)
    if needs_augmentation(count - kept, images):
        changes["augment"] = {"p": AUGMENT_P}
        details.append(Reason(partial(_explain_augmentation, survey), ("augment",)))
    channels = "3 channels: some images are in colour" if survey.channels == 3 else "1 channel: all images are grey"
    mirrored = "images are mirrored at random: set training.mirror=false if left and right differ"
    reasons = (
        Reason(_explain_family(chosen, family, images), ("networks.family",)),
        Reason(why_size, ("image", "training.margin")),
        *(
            [Reason("each image is cropped about its centre and resized", ("training.fit",))]
            if not survey.fixed
            else []
        ),
        Reason(channels, ("image",)),
        *details,
        Reason(f"{kept:,} of {count:,} images held out, to measure with", ("training.held_out",)),
        *([Reason(mirrored, ("training.mirror",))] if mirror else []),
    )
    return Proposal(change_experiment(load_config(base), {}, changes, f"the configuration for {survey.name}"), reasons)


def _explain_family(chosen: Family, asked: Family | None, images: int) -> str:
    if asked:
        return f"{chosen} networks: as requested"
    if chosen == "style":
        return f"style networks: a training of {images:,} images is long enough for them; on a GPU it takes hours"
    if images >= LONG:
        return "conv networks (docs/recipe.md): style networks would take days on a CPU"
    return (
        "conv networks (docs/recipe.md): they learn in minutes, also on a CPU; style networks, for a GPU and hours, "
        f"are chosen from {LONG:,} images"
    )


def _explain_augmentation(survey: Survey, experiment: Experiment) -> str:
    held_out, shown = experiment.training.held_out, position(experiment.config, experiment.steps).shown
    kept = 0 if survey.held_out else held_out if held_out >= 1 else round(held_out * survey.count)
    train = max(1, survey.count - int(kept))
    if needs_augmentation(train, shown):
        why = f"D would memorise images that it sees {OFTEN} times or more"
    else:
        why = (
            f"chosen for a longer training; now D sees each image {shown / train:,.0f} times, so augment=null is better"
        )
    return f"augmentation with p={AUGMENT_P} (docs/few-images.md): {why}"


def _propose_conv(size: int, images: int) -> tuple[str, dict[str, Any], int, list[Reason]]:
    """Return a preset, changes to it, the number of steps, and reasons."""
    base = "photos-conv"
    batch = load_config(base).batch_size
    # The size is halved until it is 8 or less, at least once.
    resolutions = max(2, ceil(log2(size / 8)) + 1)
    coarsest = 64 if resolutions < 4 else 96
    widths = [max(8, coarsest >> i) for i in range(resolutions)]
    steps = -(-images // batch)
    reasons = [
        Reason(f"{', '.join(map(str, widths))} feature maps, coarsest first", ("networks.widths",)),
        Reason(f"{steps:,} steps of {batch} images", ("training.steps", "batch_size")),
    ]
    return base, {"networks.widths": widths}, steps, reasons


def _propose_style(size: int, images: int) -> tuple[str, dict[str, Any], int, list[Reason]]:
    """Return a preset, changes to it, the number of steps, and reasons."""
    resolutions = [2**k for k in range(2, size.bit_length())]
    wide = images >= _WIDE
    levels = _choose_levels(resolutions, images)
    steps = sum(-(-level["images"] // level["batch_size"]) for level in levels)
    startf, maxf = _choose_widths(size, wide)
    latent = {False: 64, True: 256}[wide] if size <= LARGEST["style"] else 512
    changes = {
        "networks": {"startf": startf, "maxf": maxf, "z": latent, "w": latent, "mapping_layers": 8 if wide else 4},
        "growth.levels": levels,
        "batch_size": levels[-1]["batch_size"],
        "average_halflife": float(min(_HALFLIFE, images // 20)),
    }
    reasons = [
        Reason(
            f"{startf} to {maxf} feature maps, z and w of {latent}: "
            + ("as published" if wide else f"narrower than published, for less than {_WIDE:,} images"),
            ("networks.startf", "networks.maxf", "networks.z", "networks.w"),
        ),
        Reason(
            f"{len(levels)} levels from 4×4, half of the images at the last one; batch sizes "
            f"{', '.join(str(level['batch_size']) for level in levels)}: {steps:,} steps",
            ("growth", "training.steps"),
        ),
    ]
    return "celeba", changes, steps, reasons


def _choose_size(survey: Survey, family: Family, asked: int | None) -> tuple[int, int, str]:
    """Return the model's size and the margin around the images, both in pixels, and the reason."""
    sizes, largest = _SIZES[family], LARGEST[family]
    if asked is not None and asked not in sizes:
        raise ArgumentError("size", f"is {asked}; {family} networks make images of {_list_sizes(sizes)}, … pixels")
    if survey.fixed is None:
        size = asked or max((each for each in sizes if each <= min(largest, survey.side)), default=0)
        if not size:
            raise AlaeError(
                f"the images of {survey.name} have a median shorter side of {survey.side} pixels; it must be at least "
                f"{sizes[0]}"
            )
        why = "as requested" if asked else f"the largest possible within the median shorter side of {survey.side:,}"
        if size == largest and not asked and survey.side >= 2 * largest:
            why = (
                f"the largest chosen automatically (see `alae new --size`); the median shorter side is {survey.side:,}"
            )
        return size, 0, f"size {size}: {why}"
    height, width = survey.fixed
    size = next(each for each in sizes if each >= max(height, width))
    margin, odd = divmod(size - height, 2)
    if height != width or odd or margin > height // 4:
        below = max((each for each in sizes if each < size), default=size)
        raise AlaeError(
            f"the images of {survey.name} are {height}×{width}, which {family} networks cannot make, even with a "
            f"margin; resize them to {below}×{below} or {size}×{size}, or use image files, which are resized"
        )
    if asked not in (None, size):
        raise ArgumentError(
            "size", f"is {asked}, but the images of {survey.name} are {height}×{width}; arrays are not resized"
        )
    framed = f" within a margin of {margin}" if margin else ""
    return size, margin, f"size {size}: the images are {height}×{width}{framed}"


def _list_sizes(sizes: Sequence[int]) -> str:
    return ", ".join(map(str, sizes[:6]))


def _choose_widths(size: int, wide: bool) -> tuple[int, int]:
    """Return the number of feature maps at the last level, and its maximum over all levels."""
    if not wide:
        return max(1, 32 * 32 // max(size, 32)), 128
    # As in celeba, celeba-hq256 and ffhq: halved whenever the size doubles.
    return (64, 256) if size <= 128 else (max(1, 64 * 256 // size), 512)


def _choose_levels(resolutions: list[int], images: int) -> list[dict[str, Any]]:
    below = len(resolutions) - 1
    early = int(images * (1 - _LAST)) // below
    levels: list[dict[str, Any]] = []
    for i, resolution in enumerate(resolutions):
        shown = early if i < below else images - below * early
        largest = _BATCHES.get(resolution, _BATCHES[64])
        affordable = 2 ** int(log2(max(shown // _STEPS, 1)))
        level: dict[str, Any] = {"images": shown, "batch_size": min(largest, max(_SMALLEST_BATCH, affordable))}
        if i:
            # The last level fades in over as many images as the others, as published.
            level["fade"] = 0.5 if i < below else round(0.5 * early / shown, 3)
        levels.append(level)
    return levels
