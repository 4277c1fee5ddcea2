"""The choices for a training run, as `alae train` and notebooks make them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from alae_core import AlaeError, ArgumentError, Backend, Config
from alae_core.spread import Devices
from alae_workbench.data.source import DataSet, Source
from alae_workbench.storage.directory import Summary

#: the value of `resume` that starts or continues the run `out`, whichever applies
AUTO = "auto"
#: images to train on: a name, a path, or images in memory
Data = str | Path | np.ndarray | Source | DataSet | Sequence[Any] | Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class RunRequest:
    """The model, images, length and output directory of a training run.

    Attributes:
        config: a preset's name, a YAML file, or a configuration; by default `digits-conv`, or if `data` does not fit
            that, a configuration made for `data` (`proposal.propose`).
        data: what to train on: a name or path as in `training.data`; or images in memory, of which `training.held_out`
            are held out: an array, a sequence of images or of pairs of an image and a label, a `Source` and others
            that `data.in_hand.open_in_hand` takes; or a `DataSet`. By default the configuration's.
        images: training length in images, only for a configuration made for `data`; by default 200,000.
        backend: a backend's name, or an open backend; by default KERAS_BACKEND, or the first framework installed.
        device: "cpu", "gpu:1", …; by default the accelerator, if there is one.
        devices: how many devices train together, or "all" of the kind of `device`; by default one. PyTorch and
            TensorFlow need a process for each (`alae train --devices`, torchrun, srun). Processes that such a launcher
            has started train together whether or not this is given.
        steps: training steps in all; replaces `training.steps`.
        overrides: new values by dotted key, for the configuration and `training` alike.
        out: the run's directory: new, empty, or left by a run that was killed before its first checkpoint. By default
            the first of runs/CONFIG-BACKEND, runs/CONFIG-BACKEND-2, … that does not exist.
        resume: a run or one of its checkpoints to continue bit for bit, on any backend: in the run's own directory, or
            if `out` is another one, in a new run there, which begins with a copy of the checkpoint. A run that was
            killed before its first checkpoint starts over. "auto" starts the run `out`, continues it if it has a
            checkpoint, or does nothing if it has all steps, so that the same request can be repeated.
        origin: start from the weights, averages and running mean of w of a run (its path, or the result of `train`), a
            checkpoint or a .zip of `alae export`, or of "shipped", with a fresh optimizer; `config` is by default its
            configuration.
        partial: start from the weights that fit; by default, weights that do not fit are refused.
        other_data: resume even if the images are not those that the run began with.
        skip_bad: skip unreadable image files, and count them.

    Raises AlaeError if `resume` is "auto" without `out`, or another value with `config` or `origin`; or if `partial` is
    given without `origin`.
    """

    config: str | Path | Config | None = None
    data: Data | None = None
    images: int | None = None
    backend: str | Backend | None = None
    device: str | None = None
    devices: Devices | None = None
    steps: int | None = None
    overrides: Mapping[str, Any] = field(default_factory=dict)
    out: str | Path | None = None
    resume: str | Path | None = None
    origin: str | Path | Summary | None = None
    partial: bool = False
    other_data: bool = False
    skip_bad: bool = False

    def __post_init__(self) -> None:
        if self.resume == AUTO:
            if self.out is None:
                raise ArgumentError("resume", f"is {AUTO}, which continues the directory given by --out: add --out DIR")
        elif self.resume is not None and self.config is not None:
            raise AlaeError(f"{self.resume} resumes with its own configuration: omit config")
        elif self.resume is not None and self.origin is not None:
            raise AlaeError(f"{self.resume} resumes with its own weights, not those of {self.origin}: give one of them")
        if self.partial and self.origin is None:
            raise ArgumentError("partial", "is only for a run that starts from another: give that run too")

    @property
    def backend_name(self) -> str | None:
        """The name of the backend, or None for the default."""
        return self.backend if self.backend is None or isinstance(self.backend, str) else self.backend.name

    @property
    def changes(self) -> dict[str, Any]:
        """The new values of settings by dotted key: `overrides`, then `data` and `steps`."""
        changes = dict(self.overrides)
        if self.data is not None:
            # Images in memory have no path to resume from.
            changes["training.data"] = None if self.in_memory is not None else str(self.data)
        if self.steps is not None:
            changes["training.steps"] = self.steps
        return changes

    @property
    def in_memory(self) -> np.ndarray | Source | DataSet | Sequence[Any] | Mapping[str, Any] | None:
        """The images, if they were given in memory instead of by name or path."""
        return None if isinstance(self.data, (str, Path)) else self.data
