"""Reading measures: doubts about single values, and one sentence that concludes from the reconstruction error."""

from collections.abc import Mapping

from alae_workbench.evaluation.registry import MEASURES, Sample

#: recall below which precision alone misleads: a model that always generates one good image has a precision of 1
LOW_RECALL = 0.1
#: overfitting from which a conclusion mentions it
OVERFITTING = 0.3

_NAMES: dict[Sample, str] = {"held_out": "held-out images", "samples": "samples and training images"}


def find_doubt(name: str, values: Mapping[str, float], images: Mapping[str, int]) -> str:
    """Return the reason to doubt the value of a measure, or "".

    Args:
        name: the measure; measures of other versions of alae are not doubted.
        values: the values of all measures that were taken, by name.
        images: numbers of images by `Sample`; samples that are missing are not checked.
    """
    measure = MEASURES.get(name)
    if measure and measure.sample is not None:
        count = images.get(measure.sample)
        if count is not None and count < measure.least:
            return f"only {count:,} {_NAMES[measure.sample]}; at least {measure.least:,} are needed"
    kind, _, space = name.partition("_")
    recall = values.get(f"recall_{space}")
    if kind == "precision" and recall is not None and recall < LOW_RECALL:
        return f"recall is {recall:.2f}, so the samples resemble few of the images"
    return ""


def list_doubts(values: Mapping[str, float], images: Mapping[str, int]) -> list[str]:
    """Return a line for each different doubt about `values`, with the names of the measures that it is about."""
    names: dict[str, list[str]] = {}
    for name in values:
        if doubt := find_doubt(name, values, images):
            names.setdefault(doubt, []).append(name)
    return [f"! {doubt}: {', '.join(found)}" for doubt, found in names.items()]


def format_value(name: str, values: Mapping[str, float], images: Mapping[str, int]) -> str:
    """Return the value of a measure for tables, marked by "!" if there is a doubt about it."""
    return f"{values[name]:.4f}{' !' if find_doubt(name, values, images) else ''}"


def conclude(values: Mapping[str, float], images: Mapping[str, int]) -> str:
    """Return a sentence that compares the reconstruction error with its baselines, or "" if one was not measured.

    Args:
        values, images: as for `find_doubt`.
    """
    try:
        error, mean, nearest = (
            values[name] for name in ("reconstruction_error", "mean_image_error", "nearest_image_error")
        )
    except KeyError:
        return ""
    if error >= mean:
        sentence = f"reconstructions are no better than the mean image ({mean:.3f}): too few steps or images"
    elif error >= nearest:
        sentence = (
            f"reconstructions are better than the mean image ({mean:.3f}), but no better than the nearest training "
            f"image ({nearest:.3f}): more steps or images would help"
        )
    else:
        sentence = f"reconstructions are better than the nearest training image ({nearest:.3f})"
    if doubt := find_doubt("reconstruction_error", values, images):
        sentence += f", but on {doubt}"
    overfitting = values.get("overfitting", 0.0)
    if overfitting >= OVERFITTING and not find_doubt("overfitting", values, images):
        sentence += (
            f"; D has memorised training images (overfitting {overfitting:.2f}): stop earlier, augment, or add images"
        )
    return sentence
