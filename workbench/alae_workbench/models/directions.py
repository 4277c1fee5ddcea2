"""Directions in w: what they are found by, kept beside the run, and moved along.

Of classes or attributes by a linear SVM (after Shen et al. 2020, InterFaceGAN); without labels the principal components
of w, or those of G's first style layers in closed form (Shen and Zhou 2021, SeFa).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.svm import LinearSVC

from alae_core import Alae, AlaeError, ArgumentError
from alae_core._support.files import read_regular, write_whole, written_whole
from alae_core._support.text import short_repr, suggest
from alae_core.networks.style_layout import style_kernels
from alae_workbench.data.formats.arrays import read_arrays
from alae_workbench.data.source import DataError, Source, label_names_of
from alae_workbench.models.opening import OpenedModel, check_options
from alae_workbench.storage.directory import Run

#: of labelled images the share that a direction is not fitted on, but tested
HELD_OUT = 0.3
#: images of each kind that a direction takes at the least
LEAST = 4
#: directions that are kept of those found without labels
MOST = 10
#: z that principal components are found from
Z = 10_000
# What the file of what is known of directions may hold, in bytes; and how many numbers a direction may have.
_MOST_BYTES, _MOST_NUMBERS = 2**22, 2**20


@dataclass(frozen=True)
class Direction:
    """A way to move w.

    Attributes:
        name: what it is called.
        vector: float32 (w,); of one that was fitted here as long as w's standard deviation along it.
        origin: what found it.
        accuracy: of held-out images the share on the right side of the plane that it is normal to, each kind counting
            half; None without labels.
        effect: how far apart the two kinds are along it on held-out images, in standard deviations (Cohen's d).
    """

    name: str
    vector: np.ndarray
    origin: str
    accuracy: float | None = None
    effect: float | None = None

    def move(self, w: np.ndarray, amount: float) -> np.ndarray:
        """w, or styles for each layer, moved `amount` times along it."""
        return (w + np.float32(amount) * self.vector).astype(w.dtype)


def fit_label_directions(opened: OpenedModel, source: Source) -> list[Direction]:
    """A direction for each class of labelled images against all others, or for each of their attributes.

    E encodes them; a linear SVM (LinearSVC, C = 1, kinds weighted equally) on w of unit variance is fitted on 70 % of
    them, and tested on the others.

    Raises DataError where there are no labels, only one class, or too few images of every kind.
    """
    labels, names = source.labels, label_names_of(source)
    if labels is None:
        raise DataError("the images have no labels: class folders, a .csv beside them or an .npz with y give them some")
    w = np.concatenate(list(opened.encode_images(source))).astype(np.float64)
    if labels.ndim == 1:
        classes = np.unique(labels)
        if len(classes) < 2:
            raise DataError(f"every image is of one class, {classes[0]}, so nothing tells them apart")
        named = {str(names[each]) if 0 <= each < len(names) else f"class-{each}": labels == each for each in classes}
        if len(classes) == 2:
            # The other is its opposite.
            named = dict([list(named.items())[1]])
    else:
        named = {}
        for column in range(labels.shape[1]):
            values = np.unique(labels[:, column])
            if len(values) == 2:
                name = names[column] if column < len(names) else f"attribute-{column}"
                named[name] = labels[:, column] == values[1]
    found = [
        _separating(_file_name(name), w, chosen)
        for name, chosen in named.items()
        if LEAST <= chosen.sum() <= len(chosen) - LEAST
    ]
    if not found:
        raise DataError(
            f"no class or two-valued attribute of these {len(w)} images has {LEAST} of them, and as many without it"
        )
    return found


def find_principal_directions(alae: Alae, count: int = MOST) -> list[Direction]:
    """The first principal components of w = F(z), each as long as w's standard deviation along it."""
    w = alae.map(alae.sample_prior(Z)).astype(np.float64)
    values, vectors = np.linalg.eigh(np.cov(w, rowvar=False).reshape(w.shape[1], -1))
    order = np.argsort(values)[::-1][: min(count, len(values))]
    return [
        Direction(
            f"principal-{i}",
            _signed(vectors[:, k] * np.sqrt(max(values[k], 0))),
            f"principal component of F(z), {max(values[k], 0) / values.sum():.1%} of its variance",
        )
        for i, k in enumerate(order)
    ]


def find_factorized_directions(alae: Alae, count: int = MOST, layers: int = 4) -> list[Direction]:
    """What changes G's first style layers most: eigenvectors of AᵀA, A their kernels one below the other.

    Each as long as w = F(z) deviates along it. Raises ArgumentError for a model without styles.
    """
    check_options(alae.config, alae.view, method="factorized")
    weights = alae.weights()
    kernels = [weights[name] for name in style_kernels(alae.config)[:layers]]
    joint = np.concatenate(kernels, axis=1).astype(np.float64)
    _, vectors = np.linalg.eigh(joint @ joint.T)
    w = alae.map(alae.sample_prior(Z)).astype(np.float64)
    found = vectors.T[::-1][:count]
    return [
        Direction(f"factor-{i}", _signed(unit * (w @ unit).std()), f"factor of G's first {len(kernels)} style layers")
        for i, unit in enumerate(found)
    ]


def save_directions(run: Run, directions: Sequence[Direction]) -> Path:
    """Write directions beside a run: a .npy each, and what is known of them; others that are there stay."""
    folder = run.path / "directions"
    folder.mkdir(exist_ok=True)
    known = _known(folder)
    for each in directions:
        with written_whole(folder / f"{each.name}.npy") as file:
            np.save(file, each.vector)
        known[each.name] = {"how": each.origin, "accuracy": each.accuracy, "effect": each.effect}
    write_whole(folder / "directions.json", (json.dumps(known, indent=1, ensure_ascii=False) + "\n").encode())
    return folder


def load_directions(run: Run) -> list[Direction]:
    """Every direction beside a run, by name. Raises AlaeError where a file is damaged."""
    folder = run.path / "directions"
    known = _known(folder)
    return [_read(path, None, known) for path in sorted(folder.glob("*.npy"))]


def load_direction(word: str, width: int, run: Run | None) -> Direction:
    """The direction of that name beside a run, or in a .npy file: one of the authors' `direction_*.npy`, say.

    Args:
        word: a name, or the path of an array of `width` numbers, in whatever shape.
        width: how many numbers w has.
        run: where names are looked up.

    Raises AlaeError, naming those there are, where there is none, and where it is for another w.
    """
    path = Path(word)
    if path.suffix == ".npy":
        return _read(path, width, {})
    folder = run.path / "directions" if run else Path()
    there = sorted(each.stem for each in folder.glob("*.npy")) if run else []
    if word not in there:
        known = f"directions: {', '.join(there)}" if there else "there are none yet: `alae directions fit` finds some"
        raise AlaeError(f"there is no direction {short_repr(word)}{suggest(word, there)}; {known}; or name a .npy file")
    return _read(folder / f"{word}.npy", width, _known(folder))


def compute_angles(directions: Sequence[Direction]) -> np.ndarray:
    """The angle between each two directions in degrees, (count, count)."""
    units = np.stack([each.vector / np.linalg.norm(each.vector) for each in directions]).astype(np.float64)
    return np.degrees(np.arccos(np.clip(units @ units.T, -1, 1)))


def _separating(name: str, w: np.ndarray, chosen: np.ndarray) -> Direction:
    order = np.random.default_rng(0).permutation(len(w))
    kinds = [order[chosen[order]], order[~chosen[order]]]
    cuts = [max(1, round(HELD_OUT * len(kind))) for kind in kinds]
    tested = np.concatenate([kind[:cut] for kind, cut in zip(kinds, cuts, strict=True)])
    fitted = np.concatenate([kind[cut:] for kind, cut in zip(kinds, cuts, strict=True)])
    scale = np.maximum(w.std(axis=0), 1e-12)
    machine = LinearSVC(dual=False, C=1.0, class_weight="balanced").fit((w / scale)[fitted], chosen[fitted])
    normal = machine.coef_[0] / scale
    unit = normal / np.linalg.norm(normal)
    right = machine.predict((w / scale)[tested]) == chosen[tested]
    accuracy = np.mean([right[chosen[tested] == kind].mean() for kind in (True, False)])
    along = [(w @ unit)[tested[chosen[tested] == kind]] for kind in (True, False)]
    within = np.sqrt(np.mean([part.var() for part in along]))
    effect = (along[0].mean() - along[1].mean()) / max(within, 1e-12)
    vector = (unit * (w @ unit).std()).astype(np.float32)
    return Direction(name, vector, f"linear SVM on {len(fitted)} images", float(accuracy), float(effect))


def _signed(vector: np.ndarray) -> np.ndarray:
    # Either sign is an eigenvector: the largest number is positive, on every machine.
    return (vector * np.sign(vector[np.abs(vector).argmax()])).astype(np.float32)


def _file_name(name: str) -> str:
    safe = "".join(each if each.isalnum() or each in "-_." else "-" for each in name).strip(".")
    return safe[:60] or "unnamed"


def _known(folder: Path) -> dict[str, Any]:
    path = folder / "directions.json"
    if not path.exists():
        return {}
    try:
        found = json.loads(read_regular(path, _MOST_BYTES))
        return {str(name): dict(each) for name, each in found.items()}
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise AlaeError(f"{path} is damaged: {error}") from error


def _read(path: Path, width: int | None, known: dict[str, Any]) -> Direction:
    arrays = list(read_arrays(path).values())
    if len(arrays) != 1 or arrays[0].dtype.kind not in "fiu" or arrays[0].size > _MOST_NUMBERS:
        raise AlaeError(f"{path} is no direction: it should be one array of as many numbers as w has")
    vector = arrays[0].astype(np.float32).ravel()
    if width is not None and len(vector) != width:
        raise ArgumentError("direction", f"{path} has {len(vector)} numbers, but w of this model has {width}")
    if not np.isfinite(vector).all() or not vector.any():
        raise AlaeError(f"{path} is no direction: it should be finite numbers, not all of them 0")
    about = known.get(path.stem, {})
    return Direction(path.stem, vector, str(about.get("how", "a file")), about.get("accuracy"), about.get("effect"))
