"""Directions in w that change one property of an image: finding them, saving them in a run, and moving w along them.

Four methods find them. "svm" and "shift" use labels (`label_directions`). "principal" finds the principal components of
w; "factorized" is a closed form from the weights of G's first style layers (Shen and Zhou 2021, SeFa).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from alae_core import Alae, AlaeError, ArgumentError
from alae_core._support.files import atomic_file, read_regular, write_atomically
from alae_core._support.text import short_repr, suggest
from alae_core.networks.style_layout import list_style_kernels
from alae_workbench.data.formats.arrays import read_arrays
from alae_workbench.models.mixing import map_samples
from alae_workbench.models.option_checks import check_options
from alae_workbench.storage.directory import Run

# Default number of directions found without labels.
_COUNT = 10
# Number of w = F(z) used to estimate statistics of w.
_SAMPLES = 10_000
# Differences below this fraction of the largest number are rounding errors of float32.
_ROUNDING = 1e-5
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


def varies(w: np.ndarray) -> bool:
    """Whether latents (count, w) differ by more than rounding: equal images in other batches differ that much."""
    return bool(w.std(axis=0).max() > _ROUNDING * max(1e-30, np.abs(w).max()))


def find_principal_directions(alae: Alae, count: int = _COUNT) -> list[Direction]:
    """Find the first `count` principal components of w = F(z)."""
    w = _sample_w(alae)
    values, vectors = np.linalg.eigh(np.cov(w, rowvar=False).reshape(w.shape[1], -1))
    # The others are rounding errors of 0: w lies in fewer dimensions.
    order = [k for k in np.argsort(values)[::-1][: min(count, len(values))] if values[k] > _ROUNDING**2 * values.max()]
    return [
        Direction(
            f"principal-{i}",
            _fix_sign(vectors[:, k] * np.sqrt(values[k])),
            f"principal component of F(z), {values[k] / values.sum():.1%} of its variance",
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
    w = _sample_w(alae)
    origin = f"factor of G's first {len(kernels)} style layers"
    return [
        Direction(f"factor-{i}", _fix_sign(unit * (w @ unit).std()), origin)
        for i, unit in enumerate(vectors.T[::-1][:count])
    ]


def _sample_w(alae: Alae) -> np.ndarray:
    """Return many w = F(z), (count, w). Raises AlaeError if all are alike."""
    w = map_samples(alae, _SAMPLES).astype(np.float64)
    if not varies(w):
        raise AlaeError("F maps every z to the same w, so there are no directions in w: train the model for longer")
    return w


def save_directions(place: Run | Path, directions: Sequence[Direction]) -> Path:
    """Save directions to the folder `directions` of a run, or to another folder, and return it.

    Directions of other names stay. Each vector is a .npy file; `directions.json` has the rest.
    """
    folder = _locate_folder(place)
    folder.mkdir(parents=True, exist_ok=True)
    records = _read_records(folder)
    for direction in directions:
        with atomic_file(folder / f"{direction.name}.npy") as file:
            np.save(file, direction.vector)
        records[direction.name] = {"how": direction.origin, "accuracy": direction.accuracy, "effect": direction.effect}
    write_atomically(folder / "directions.json", (json.dumps(records, indent=1, ensure_ascii=False) + "\n").encode())
    return folder


def load_directions(place: Run | Path) -> list[Direction]:
    """Load all directions of a run, or of another folder, sorted by name. Raises AlaeError if a file is damaged."""
    folder = _locate_folder(place)
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


def _locate_folder(place: Run | Path) -> Path:
    return place.path / "directions" if isinstance(place, Run) else place


def _find_names(run: Run | None) -> list[str]:
    return sorted(file.stem for file in (run.path / "directions").glob("*.npy")) if run else []


def compute_angles(directions: Sequence[Direction]) -> np.ndarray:
    """Return the angle between each pair of directions in degrees, (count, count)."""
    vectors = [direction.vector for direction in directions]
    units = np.stack([vector / np.linalg.norm(vector) for vector in vectors]).astype(np.float64)
    return np.degrees(np.arccos(np.clip(units @ units.T, -1, 1)))


def _fix_sign(vector: np.ndarray) -> np.ndarray:
    # The sign of an eigenvector is arbitrary: make its largest number positive, so that all machines agree.
    return (vector * np.sign(vector[np.abs(vector).argmax()])).astype(np.float32)


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
