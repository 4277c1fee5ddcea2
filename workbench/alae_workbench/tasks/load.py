"""Opening a model for the other functions of this package."""

from pathlib import Path

from alae_core import ArgumentError
from alae_core.spread import Devices
from alae_workbench.models.opening import OpenedModel, open_model
from alae_workbench.models.shipped import locate_model
from alae_workbench.storage.directory import Summary

#: a model: opened, the result of `train`, the path of a run or checkpoint; or "shipped" or None for the model that
#: ships with alae
Model = OpenedModel | Summary | str | Path | None


def load(
    model: Model = None,
    *,
    backend: str | None = None,
    device: str | None = None,
    devices: Devices | None = None,
    averaged: bool = True,
    lod: int | None = None,
) -> OpenedModel:
    """Open a model: its networks, and the images it was trained on.

    The other functions take what this one takes, and open it. Open a model once if several functions use it: each
    opening compiles again.

    Args:
        model: see `Model`. A model that is open already is returned as it is.
        backend, device: by default KERAS_BACKEND or the first framework installed, and the accelerator if there is one.
        devices: how many devices of this machine share each batch, or "all"; by default 1 (JAX only).
        averaged: whether to use the running averages of the networks, or the networks as trained.
        lod: level of detail to use; by default the one training had reached.

    Raises:
        ArgumentError: the model is open already, and other arguments are given; or as `open_model`.
        CheckpointError, BackendError: as `alae_core.load`.
    """
    if isinstance(model, OpenedModel):
        given = {
            "backend": backend,
            "device": device,
            "devices": devices,
            "averaged": None if averaged else False,
            "lod": lod,
        }
        for name, value in given.items():
            if value is not None:
                raise ArgumentError(name, f"is {value}, but the model is open already: give it to load with its path")
        return model
    return open_model(locate(model), backend=backend, device=device, devices=devices, averaged=averaged, lod=lod)


def locate(model: Model) -> Path:
    """Return the path of a run or checkpoint: see `Model`."""
    if isinstance(model, OpenedModel):
        return model.checkpoint.path
    if isinstance(model, Summary):
        return model.checkpoint
    return locate_model(None if model is None else Path(model))
