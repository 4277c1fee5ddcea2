"""The latents of a trained model for projects that only want w, such as optimal transport between faces.

Such projects copy three functions of the authors' repository: `load_model`, `encode` and `decode`. These take the same
arguments, with images in PyTorch's layout, and need neither a GPU nor PyTorch (docs/latents.md).
"""

import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from alae_core import ArgumentError, CheckpointError
from alae_core.streams import Noise
from alae_workbench.exchange.official import import_official
from alae_workbench.models.opening import OpenedModel
from alae_workbench.tasks.load import Model, load

#: the file in which the authors' code records its newest checkpoint
LAST_CHECKPOINT = "last_checkpoint"
#: the endings of the authors' checkpoints
ENDINGS = (".pth", ".pkl")


def load_model(
    model: Model = None,
    training_artifacts_dir: str | Path | None = None,
    device: str | None = None,
    *,
    backend: str | None = None,
    averaged: bool = True,
) -> OpenedModel:
    """Load a model for `encode` and `decode`.

    Args:
        model: as for `alae_workbench.load`; or a checkpoint of the authors' code, .pth or .pkl, which is converted at
            each call (`alae import-official` converts it once).
        training_artifacts_dir: the directory of the authors' checkpoints. The newest one is used, and `model`, which is
            the authors' configuration file in this case, is not read: all sizes follow from the checkpoint.
        device, backend, averaged: as for `alae_workbench.load`.

    Raises:
        CheckpointError: there is no checkpoint, or it cannot be read.
        BackendError: as `alae_core.load`.
    """
    if training_artifacts_dir is not None:
        model = _find_newest(Path(training_artifacts_dir))
    if not isinstance(model, str | Path) or Path(model).suffix not in ENDINGS:
        return load(model, backend=backend, device=device, averaged=averaged)
    with TemporaryDirectory() as directory:
        converted = import_official(model, Path(directory, "run"))
        return load(converted, backend=backend, device=device, averaged=averaged)


def encode(model: Model, x: Any, *, labels: np.ndarray | None = None) -> Any:
    """w = E(x): images (batch, C, H, W) in [−1, 1] to (batch, w). Gradients do not flow through it.

    Args:
        model: from `load_model`, or anything that `alae_workbench.load` takes.
        x: a NumPy array, or a tensor of PyTorch, JAX or TensorFlow, whichever backend the model uses. The result is of
            the same kind, on the same device.
        labels: class numbers (batch,), for a model with labels.

    Raises ArgumentError if the images have another size or range.
    """
    images, give_back = _take("x", x, dimensions=4)
    alae = load(model).model
    return give_back(alae.w_of(images.transpose(0, 2, 3, 1), labels=labels))


def decode(model: Model, w: Any, *, noise: Noise = "random", labels: np.ndarray | None = None) -> Any:
    """x = G(w): (batch, w) to images (batch, C, H, W), about in [−1, 1]. Gradients do not flow through it.

    Args:
        model, labels: as for `encode`.
        w: as `x` of `encode`; or a style for each layer, (batch, 2L, w).
        noise: the noise of style networks (`alae_core.streams.Noise`). By default new noise at each call, as in the
            authors' code; "fixed" gives the same image each time.

    Raises ArgumentError if w has another size.
    """
    codes, give_back = _take("w", w)
    alae = load(model).model
    return give_back(alae.generate(codes, noise=noise, labels=labels).transpose(0, 3, 1, 2))


def _find_newest(directory: Path) -> Path:
    """Return the newest checkpoint in a directory of the authors' code."""
    listing = directory / LAST_CHECKPOINT
    if listing.is_file():
        # The path in it is relative to the authors' repository.
        return directory / Path(listing.read_text("utf-8").strip()).name
    found = sorted(each for each in directory.glob("*") if each.suffix in ENDINGS)
    if len(found) == 1:
        return found[0]
    raise CheckpointError(
        f"{directory} has no file {LAST_CHECKPOINT}, and {len(found)} files that end in {' or '.join(ENDINGS)}: "
        "give the path of a checkpoint as the first argument"
    )


def _take(argument: str, value: Any, dimensions: int | None = None) -> tuple[np.ndarray, Callable[[np.ndarray], Any]]:
    """Return an array or tensor as a NumPy array, and a function that turns results into its kind."""
    kind = type(value).__module__.partition(".")[0]
    array = np.asarray(value.detach().cpu() if kind == "torch" else value)
    if dimensions is not None and array.ndim != dimensions:
        raise ArgumentError(argument, f"has shape {array.shape}, but must be images (batch, channels, height, width)")
    return array, lambda result: _like(kind, value, np.ascontiguousarray(result))


def _like(kind: str, value: Any, array: np.ndarray) -> Any:
    # The framework of `value` is loaded, so it need not be imported: this package imports none.
    if kind == "torch":
        return value.new_tensor(array)
    if kind in ("jax", "jaxlib"):
        return sys.modules["jax"].device_put(array, value.sharding)
    if kind == "tensorflow":
        with sys.modules[kind].device(value.device):
            return sys.modules[kind].constant(array)
    return array
