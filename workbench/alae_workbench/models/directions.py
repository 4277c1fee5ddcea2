"""Directions in w that change one property of an image: finding them, saving them in a run, and moving w along them.

Four methods find them. Two use labels: "svm", a linear SVM for each class or attribute (after Shen et al. 2020,
InterFaceGAN), and "shift", the difference of the means of w with and without it. "principal" finds the principal
components of w; "factorized" is a closed form from the weights of G's first style layers (Shen and Zhou 2021, SeFa).

An SVM's direction tells images apart best, but it may avoid the dimensions in which w varies most, so that a move along
it changes little in the image. A shift is where images with the property are, so it is the better one for edits
(Haufe et al. 2014, on the interpretation of weight vectors).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from sklearn.svm import LinearSVC

from alae_core import Alae, AlaeError, ArgumentError
from alae_core._support.files import atomic_file, read_regular, write_atomically
from alae_core._support.text import short_repr, suggest
from alae_core.networks.style_layout import list_style_kernels
from alae_workbench.data.formats.arrays import read_arrays
from alae_workbench.data.labels import describe_labels, is_labelled
from alae_workbench.data.source import DataError, Source, get_label_names
from alae_workbench.models.opening import OpenedModel, check_options
from alae_workbench.storage.directory import Run

# Fraction of the labelled images held out to test a direction.
_HELD_OUT = 0.3
# Minimum number of images with the property, and without it.
_MIN_IMAGES = 4
# Default number of directions found without labels.
_COUNT = 10
# Number of w = F(z) used to estimate statistics of w.
_SAMPLES = 10_000
# Limits when reading: bytes of directions.json, and numbers in one direction.
_MAX_BYTES, _MAX_NUMBERS = 2**22, 2**20


@dataclass(frozen=True)
class Direction:
    """A direction in w.

    Attributes:
        name: its name, which is also the name of its file.
        vector: float32 (w,). The length of a direction found here is the standard deviation of w along it.
        origin: how it was found, as text.
        accuracy: for a direction from labels, the fraction of held-out images on the correct side of the separating
            plane, which for a shift is halfway between the means; images with and without the property have equal
            weight. None otherwise.
        effect: distance of the two groups of held-out images along the direction, in standard deviations (Cohen's d).
            None without labels.
    """

    name: str
    vector: np.ndarray
    origin: str
    accuracy: float | None = None
    effect: float | None = None

    def move(self, w: np.ndarray, amount: float) -> np.ndarray:
        """Return w + amount · vector, for w (…, w): latents or styles."""
        return (w + np.float32(amount) * self.vector).astype(w.dtype)


def fit_label_directions(
    opened: OpenedModel, source: Source, method: Literal["svm", "shift"] = "svm"
) -> list[Direction]:
    """Find one direction for each class against all others, or for each attribute with two values.

    "svm" fits a linear SVM (LinearSVC, C = 1, balanced classes) to w = E(x), scaled to unit variance; "shift" takes the
    difference of the means of w, and names directions `shift-NAME`. Both use 70 % of the images, and are tested on the
    others. Two classes give one direction.

    Raises DataError if the images have no labels, only one class, or too few images of every class or attribute.
    """
    labels, names = source.labels, get_label_names(source)
    if labels is None:
        raise DataError(
            f"the images have no labels{describe_labels(source).removeprefix('none')}: use --method principal, which "
            f"needs none, or give class folders, a .csv file beside the images, or an .npz file with labels"
        )
    labelled = is_labelled(labels)
    w = np.concatenate(list(opened.encode_images(source))).astype(np.float64)[labelled]
    labels = labels[labelled]
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
        groups = {}
        for column in range(labels.shape[1]):
            values = np.unique(labels[:, column])
            if len(values) == 2:
                name = names[column] if column < len(names) else f"attribute-{column}"
                groups[name] = labels[:, column] == values[1]
    directions = [
        _fit_direction(_file_name(name), w, members, method)
        for name, members in groups.items()
        if _MIN_IMAGES <= members.sum() <= len(members) - _MIN_IMAGES
    ]
    if not directions:
        raise DataError(
            f"none of the classes and two-valued attributes of these {len(w)} images has at least {_MIN_IMAGES} images "
            f"with it and {_MIN_IMAGES} without it"
        )
    return directions


def find_principal_directions(alae: Alae, count: int = _COUNT) -> list[Direction]:
    """Find the first `count` principal components of w = F(z)."""
    w = alae.map(alae.sample_prior(_SAMPLES)).astype(np.float64)
    values, vectors = np.linalg.eigh(np.cov(w, rowvar=False).reshape(w.shape[1], -1))
    order = np.argsort(values)[::-1][: min(count, len(values))]
    return [
        Direction(
            f"principal-{i}",
            _fix_sign(vectors[:, k] * np.sqrt(max(values[k], 0))),
            f"principal component of F(z), {max(values[k], 0) / values.sum():.1%} of its variance",
        )
        for i, k in enumerate(order)
    ]


def find_factorized_directions(alae: Alae, count: int = _COUNT, layers: int = 4) -> list[Direction]:
    """Find the `count` directions that change the styles of G's first `layers` layers most.

    They are eigenvectors of AᵀA, where A stacks the kernels of these layers (SeFa, section 3).

    Raises ArgumentError for a model without styles.
    """
    check_options(alae.config, alae.view, method="factorized")
    weights = alae.weights()
    kernels = [weights[name] for name in list_style_kernels(alae.config)[:layers]]
    joint = np.concatenate(kernels, axis=1).astype(np.float64)
    _, vectors = np.linalg.eigh(joint @ joint.T)
    w = alae.map(alae.sample_prior(_SAMPLES)).astype(np.float64)
    origin = f"factor of G's first {len(kernels)} style layers"
    return [
        Direction(f"factor-{i}", _fix_sign(unit * (w @ unit).std()), origin)
        for i, unit in enumerate(vectors.T[::-1][:count])
    ]


def save_directions(run: Run, directions: Sequence[Direction]) -> Path:
    """Save directions to the folder `directions` of a run, and return it; directions of other names stay.

    Each vector is a .npy file; `directions.json` has the rest.
    """
    folder = run.path / "directions"
    folder.mkdir(exist_ok=True)
    records = _read_records(folder)
    for direction in directions:
        with atomic_file(folder / f"{direction.name}.npy") as file:
            np.save(file, direction.vector)
        records[direction.name] = {"how": direction.origin, "accuracy": direction.accuracy, "effect": direction.effect}
    write_atomically(folder / "directions.json", (json.dumps(records, indent=1, ensure_ascii=False) + "\n").encode())
    return folder


def load_directions(run: Run) -> list[Direction]:
    """Load all directions of a run, sorted by name. Raises AlaeError if a file is damaged."""
    folder = run.path / "directions"
    records = _read_records(folder)
    return [_read_direction(path, None, records) for path in sorted(folder.glob("*.npy"))]


def load_direction(name: str, width: int, run: Run | None) -> Direction:
    """Load the direction of this name from a run, or a .npy file such as the authors' `direction_*.npy`.

    Args:
        name: the name of a direction, or the path of a .npy file with `width` numbers, in any shape.
        width: the size of w.
        run: the run to search for names.

    Raises:
        AlaeError: the run lacks this direction (the message lists the others), or a file is damaged.
        ArgumentError: the direction has another size.
    """
    path = Path(name)
    if path.suffix == ".npy":
        return _read_direction(path, width, {})
    names = _find_names(run)
    if run is None or name not in names:
        raise AlaeError(
            f"there is no direction {short_repr(name)}{suggest(name, names)}; {list_names(run)}; a .npy file works too"
        )
    folder = run.path / "directions"
    return _read_direction(folder / f"{name}.npy", width, _read_records(folder))


def list_names(run: Run | None) -> str:
    """Return a clause for messages that lists the names of a run's directions, or gives the command to find some."""
    names = _find_names(run)
    return f"the run has {', '.join(names)}" if names else "the run has none; `alae directions fit` finds some"


def _find_names(run: Run | None) -> list[str]:
    return sorted(file.stem for file in (run.path / "directions").glob("*.npy")) if run else []


def compute_angles(directions: Sequence[Direction]) -> np.ndarray:
    """Return the angle between each pair of directions in degrees, (count, count)."""
    vectors = [direction.vector for direction in directions]
    units = np.stack([vector / np.linalg.norm(vector) for vector in vectors]).astype(np.float64)
    return np.degrees(np.arccos(np.clip(units @ units.T, -1, 1)))


def _fit_direction(name: str, w: np.ndarray, members: np.ndarray, method: Literal["svm", "shift"]) -> Direction:
    """Fit the direction from the other images to `members`, bool (count,)."""
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
    unit = normal / np.linalg.norm(normal)
    correct = (w[test] @ normal + offset > 0) == members[test]
    accuracy = np.mean([correct[members[test] == group].mean() for group in (True, False)])
    along = [(w @ unit)[test[members[test] == group]] for group in (True, False)]
    deviation = np.sqrt(np.mean([part.var() for part in along]))
    effect = (along[0].mean() - along[1].mean()) / max(deviation, 1e-12)
    vector = (unit * (w @ unit).std()).astype(np.float32)
    return Direction(name, vector, origin, float(accuracy), float(effect))


def _fix_sign(vector: np.ndarray) -> np.ndarray:
    # The sign of an eigenvector is arbitrary: make its largest number positive, so that all machines agree.
    return (vector * np.sign(vector[np.abs(vector).argmax()])).astype(np.float32)


def _file_name(name: str) -> str:
    safe = "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in name).strip(".")
    return safe[:60] or "unnamed"


def _read_records(folder: Path) -> dict[str, Any]:
    """Read the entries of `directions.json` by name; empty if the file does not exist."""
    path = folder / "directions.json"
    if not path.exists():
        return {}
    try:
        records = json.loads(read_regular(path, _MAX_BYTES))
        return {str(name): dict(record) for name, record in records.items()}
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise AlaeError(f"{path} is damaged: {error}") from error


def _read_direction(path: Path, width: int | None, records: dict[str, Any]) -> Direction:
    arrays = list(read_arrays(path).values())
    if len(arrays) != 1 or arrays[0].dtype.kind not in "fiu" or arrays[0].size > _MAX_NUMBERS:
        raise AlaeError(f"{path} is not a direction; it must hold one array of numbers, as many as w has")
    vector = arrays[0].astype(np.float32).ravel()
    if width is not None and len(vector) != width:
        raise ArgumentError("direction", f"{path} has {len(vector)} numbers, but w of this model has {width}")
    if not np.isfinite(vector).all() or not vector.any():
        raise AlaeError(f"{path} is not a direction; its numbers must be finite, and not all 0")
    record = records.get(path.stem, {})
    return Direction(path.stem, vector, str(record.get("how", "a file")), record.get("accuracy"), record.get("effect"))
