"""Latents in .npy and .npz files, which commands take wherever they take seeds or images."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from alae_core import AlaeError, ArgumentError, Config
from alae_core._support.files import atomic_file
from alae_core.images import to_uint8
from alae_workbench.data.derived import Subset
from alae_workbench.data.formats.arrays import ARRAYS, StoredArray, open_arrays, read_arrays
from alae_workbench.data.labels import Labels, as_labels
from alae_workbench.data.source import (
    DataError,
    Source,
    SourceRepr,
    combine_digests,
    get_label_names,
    get_names,
    read_at_size,
)

if TYPE_CHECKING:
    from alae_core import Alae

#: the name of the latents in an .npz file that also has other arrays
KEY = "w"
# The names of class numbers and of attributes in such a file, each with the name of an array of their names.
_LABELS = {"labels": "class_names", "attributes": "attribute_names"}


def read_latents(path: str | Path, config: Config) -> np.ndarray | None:
    """Read latents from a .npy or .npz file; None if the path is not such a file, or holds images.

    An .npz file has one array, or one named w. An array of floats with the shape (count, w), (w,), or for style models
    (count, 2L, w) holds latents.

    Returns:
        float32 (count, w), or styles (count, 2L, w).

    Raises:
        DataError: the file cannot be read, its w has another size than the model's, or a number is not finite.
        AlaeError: G takes labels, which latents do not determine.
    """
    path = Path(path).expanduser()
    if path.suffix not in ARRAYS or not path.is_file():
        return None
    arrays = open_arrays(path)
    name = KEY if KEY in arrays else next(iter(arrays), "")
    if name != KEY and (len(arrays) != 1 or not _may_be_latents(arrays[name], config)):
        return None
    if not _fits(arrays[name].shape, config):
        width = config.networks.w
        styles = f" or (count, {2 * config.lods}, {width})" if _is_style(config) else ""
        raise DataError(
            f"{path} holds latents of shape {arrays[name].shape}; those of this model have the shape (count, {width})"
            f"{styles}"
        )
    if config.classes_of("G"):
        raise AlaeError(f"{path} holds latents, which do not determine images of a model with labels: give images")
    w = np.atleast_2d(read_arrays(path, [name])[name]).astype(np.float32)
    if not np.isfinite(w).all():
        raise DataError(f"{path} has numbers that are not finite")
    return w


def require_latents(path: str | Path, config: Config) -> np.ndarray:
    """Return the latents in a file, as `read_latents`. Raises DataError if it holds none."""
    w = read_latents(path, config)
    if w is None:
        raise DataError(f"{path} is not a .npy or .npz file of latents w")
    return w


def write_latents(path: Path, parts: Iterable[np.ndarray], source: Source) -> tuple[int, ...]:
    """Write the latents of images, with the images' names and labels, to an .npz file; return the shape of w.

    Its arrays: `w`, float32; `names`, texts; `labels`, class numbers int64 (count,), with `class_names`, or
    `attributes`, int64 or float64 (count, k), with `attribute_names`. Arrays that the source lacks are omitted.

    Args:
        path: the file.
        parts: the latents in order, a batch at a time.
        source: the images.
    """
    w = np.concatenate(list(parts))
    arrays = {KEY: w}
    if (names := get_names(source)) is not None:
        arrays["names"] = np.array(list(names), np.str_)
    if source.labels is not None:
        key = "labels" if source.labels.ndim == 1 else "attributes"
        arrays[key] = source.labels
        if label_names := get_label_names(source):
            arrays[_LABELS[key]] = np.array(label_names, np.str_)
    with atomic_file(path) as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
    return w.shape


def open_latents(path: str | Path, alae: "Alae", labels: str | None = None) -> "LatentImages | None":
    """Open a file of latents as images, with the labels that `write_latents` wrote; None as `read_latents`.

    Raises:
        ArgumentError: `labels`, the user's choice of labels, is given.
        DataError: as `read_latents`, or the labels in the file cannot be used.
        AlaeError: as `read_latents`.
    """
    w = read_latents(path, alae.config)
    if w is None:
        return None
    if labels is not None:
        raise ArgumentError("labels", f"is {labels}, but {path} holds latents, which have their own labels: omit it")
    path = Path(path).expanduser()
    stored = open_arrays(path)
    key = next((name for name in _LABELS if name in stored), None)
    if key is None:
        return LatentImages(alae, w)
    arrays = read_arrays(path, [name for name in (key, _LABELS[key]) if name in stored])
    try:
        values = as_labels(arrays[key])
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    if len(values) != len(w):
        raise DataError(f"{path} has {len(w):,} latents, but {len(values):,} {key}")
    names = tuple(map(str, arrays.get(_LABELS[key], ())))
    return LatentImages(alae, w, values, names, str(Labels(values, names, path.name)))


def _is_style(config: Config) -> bool:
    return config.networks.family == "style"


def _may_be_latents(array: StoredArray, config: Config) -> bool:
    # Images have 3 or 4 axes, and so have styles.
    return array.dtype.kind == "f" and (0 < len(array.shape) < 3 or _fits(array.shape, config))


def _fits(shape: tuple[int, ...], config: Config) -> bool:
    styles = _is_style(config) and len(shape) == 3 and shape[1] == 2 * config.lods
    return shape[-1:] == (config.networks.w,) and (len(shape) in (1, 2) or styles)


@dataclass(frozen=True, eq=False, repr=False)
class LatentImages(SourceRepr):
    """The images G(w) of latents as a source.

    Attributes:
        alae: the model.
        w: its latents, (count, w), or styles (count, 2L, w).
        labels, label_names, label_text: see `Source`; class numbers or attributes of the images that were encoded.
    """

    alae: "Alae"
    w: np.ndarray
    labels: np.ndarray | None = None
    label_names: tuple[str, ...] = ()
    label_text: str = ""

    @property
    def shape(self) -> tuple[int, int, int]:
        """See `Source`."""
        return self.alae.image_shape()

    @property
    def fingerprint(self) -> str:
        """See `Source`."""
        labels = [] if self.labels is None else [self.labels.tobytes().hex()]
        return combine_digests("latents", self.w.tobytes().hex(), *labels)

    def __len__(self) -> int:
        return len(self.w)

    def images(self, indices: np.ndarray, size: int | None = None) -> np.ndarray:
        """See `Source`."""
        return read_at_size(lambda part: to_uint8(self.alae.generate(self.w[part])), self.shape, indices, size)


def get_latents(source: Source) -> np.ndarray | None:
    """Return the latents of a source that is `LatentImages` or some of them; None for other images."""
    if isinstance(source, LatentImages):
        return source.w
    if isinstance(source, Subset) and (w := get_latents(source.source)) is not None:
        return w[source.indices]
    return None
