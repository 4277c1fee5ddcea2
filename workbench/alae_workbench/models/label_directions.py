"""Directions in w from labelled images, by two methods.

"svm" fits a linear SVM for each class or attribute (after Shen et al. 2020, InterFaceGAN); "shift" takes the difference
of the means of w with and without it.

An SVM's direction tells images apart best, but it may avoid the dimensions in which w varies most, so that a move along
it changes little in the image. A shift is where images with the property are, so it is the better one for edits
(Haufe et al. 2014, on the interpretation of weight vectors).
"""

from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np
from sklearn.svm import LinearSVC

from alae_workbench.data.labels import describe_labels, is_labelled
from alae_workbench.data.source import DataError, Source, get_label_names
from alae_workbench.models.directions import Direction, varies
from alae_workbench.models.latent_files import get_latents
from alae_workbench.models.opening import OpenedModel

# Fraction of the labelled images held out to test a direction.
_HELD_OUT = 0.3
# Minimum number of images with the property, and without it.
_MIN_IMAGES = 4


def fit_label_directions(
    opened: OpenedModel,
    source: Source,
    method: Literal["svm", "shift"] = "svm",
    tell: Callable[[str], None] = lambda line: None,
) -> list[Direction]:
    """Find one direction for each class against all others, or for each attribute with two values.

    Both methods use w = E(x), or the latents of a file of latents (`latent_files.LatentImages`). "svm" fits a linear
    SVM (LinearSVC, C = 1, balanced classes) to w, scaled to unit variance; "shift" takes the difference of the means of
    w, and names directions `shift-NAME`. Both use 70 % of the images, and are tested on the others. Two classes give
    one direction. `tell` is called with a line that names classes and attributes without a direction, and why.

    Raises DataError if the images have no labels, only one class, too few images of every class or attribute, or all
    the same w.
    """
    labels, names = source.labels, get_label_names(source)
    if labels is None:
        raise DataError(
            f"the images have no labels{describe_labels(source).removeprefix('none')}: use --method principal, which "
            f"needs none, or give class folders, a .csv file beside the images, or an .npz file with labels"
        )
    labelled = is_labelled(labels)
    w = _find_latents(opened, source).astype(np.float64)[labelled]
    labels = labels[labelled]
    refused: dict[str, str] = {}
    if labels.ndim == 1:
        classes = np.unique(labels)
        if len(classes) < 2:
            raise DataError(f"all images have the class {classes[0]}; a direction needs at least two classes")
        groups = {
            str(names[label]) if 0 <= label < len(names) else f"class-{label}": labels == label for label in classes
        }
        if len(classes) == 2:
            # The direction of the other class is the opposite.
            groups = dict([list(groups.items())[1]])
    else:
        columns = {names[i] if i < len(names) else f"attribute-{i}": labels[:, i] for i in range(labels.shape[1])}
        groups = {name: column == column.max() for name, column in columns.items() if len(np.unique(column)) == 2}
        refused = {name: _describe_values(column) for name, column in columns.items() if name not in groups}
    if not varies(w):
        raise DataError(
            f"E encodes all {len(w)} images alike, so no direction tells them apart: give different images, or train "
            "the model for longer"
        )
    directions = []
    for name, members in groups.items():
        count = min(members.sum(), len(members) - members.sum())
        if count < _MIN_IMAGES:
            refused[name] = f"{count} images with it" if count == members.sum() else f"{count} images without it"
        elif found := _fit_direction(_file_name(name), w, members, method):
            directions.append(found)
        else:
            refused[name] = "the same w with it and without it"
    if not directions:
        raise DataError(
            f"none of the classes and two-valued attributes of these {len(w)} images has at least {_MIN_IMAGES} images "
            f"with it and {_MIN_IMAGES} without it, and a w that differs: {_list_refused(refused)}"
        )
    if refused:
        tell(f"no direction for {_list_refused(refused)}")
    return directions


def _find_latents(opened: OpenedModel, source: Source) -> np.ndarray:
    """Return w of images, (count, w). A file with a style for each layer has no single w, so its images are encoded."""
    w = get_latents(source)
    return np.concatenate(list(opened.encode_images(source))) if w is None or w.ndim > 2 else w


def _describe_values(column: np.ndarray) -> str:
    values = np.unique(column)
    return f"all images have the value {values[0]}" if len(values) == 1 else f"{len(values)} values, not 2"


def _list_refused(refused: Mapping[str, str]) -> str:
    """List names with their reasons, grouped by reason."""
    reasons = dict.fromkeys(refused.values())
    names = {reason: [name for name, why in refused.items() if why == reason] for reason in reasons}
    return "; ".join(f"{', '.join(map(str, names[reason]))} ({reason})" for reason in reasons)


def _fit_direction(name: str, w: np.ndarray, members: np.ndarray, method: Literal["svm", "shift"]) -> Direction | None:
    """Fit the direction from the other images to `members`, bool (count,); None if the two do not differ in w."""
    order = np.random.default_rng(0).permutation(len(w))
    groups = [order[members[order]], order[~members[order]]]
    cuts = [max(1, round(_HELD_OUT * len(group))) for group in groups]
    test = np.concatenate([group[:cut] for group, cut in zip(groups, cuts, strict=True)])
    train = np.concatenate([group[cut:] for group, cut in zip(groups, cuts, strict=True)])
    if method == "svm":
        scale = np.maximum(w.std(axis=0), 1e-12)
        svm = LinearSVC(dual=False, C=1.0, class_weight="balanced").fit((w / scale)[train], members[train])
        normal, offset = svm.coef_[0] / scale, svm.intercept_[0]
        origin = f"linear SVM on {len(train)} images"
    else:
        means = [w[train[members[train] == group]].mean(axis=0) for group in (True, False)]
        normal = means[0] - means[1]
        offset = -normal @ (means[0] + means[1]) / 2
        name, origin = f"shift-{name}", f"difference of means of {len(train)} images"
    length = np.linalg.norm(normal)
    if not length or not varies(w @ (normal / length)[:, None]):
        return None
    unit = normal / length
    correct = (w[test] @ normal + offset > 0) == members[test]
    accuracy = np.mean([correct[members[test] == group].mean() for group in (True, False)])
    along = [(w @ unit)[test[members[test] == group]] for group in (True, False)]
    deviation = np.sqrt(np.mean([part.var() for part in along]))
    effect = (along[0].mean() - along[1].mean()) / max(deviation, 1e-12)
    vector = (unit * (w @ unit).std()).astype(np.float32)
    return Direction(name, vector, origin, float(accuracy), float(effect))


def _file_name(name: str) -> str:
    safe = "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in name).strip(".")
    return safe[:60] or "unnamed"
