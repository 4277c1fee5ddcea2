"""Logs a run to Weights & Biases, or to trackio, which has the same functions: `alae train --log wandb`."""

import os
import uuid
import warnings
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from alae_core import AlaeError, ArgumentError
from alae_core._support.files import write_atomically
from alae_core._support.text import one_line
from alae_core._support.yaml_text import read_text, read_yaml
from alae_workbench.runs.observers import Records, Start, flatten
from alae_workbench.storage.directory import Summary

#: the project that runs are logged to, unless WANDB_PROJECT or TRACKIO_PROJECT names another
PROJECT = "alae"


class Tracker(Records):
    """Logs losses, measures, configuration and grids with `wandb.init`, `log` and `finish`, or those of trackio.

    A resumed run continues its records. If logging fails later than the start, the run goes on with a warning.

    Args:
        name: "wandb" or "trackio".

    Raises ArgumentError if the package is not installed.
    """

    def __init__(self, name: str) -> None:
        if find_spec(name) is None:
            raise ArgumentError("log", f"is {name}, which is not installed: pip install {name}")
        self.name = name
        self._module: Any = None

    def on_start(self, start: Start) -> None:
        """See `Observer`. Raises AlaeError if the tracker does not start."""
        module = import_module(self.name)
        config = read_yaml(read_text(start.run.config), str(start.run.config))
        identity = _identify(start.run.tracker, start.step > 0)
        # trackio knows runs by name, wandb by id.
        own = {"id": identity, "dir": str(start.run.tracker)} if self.name == "wandb" else {}
        project = os.environ.get(f"{self.name.upper()}_PROJECT") or PROJECT
        try:
            module.init(project=project, name=f"{start.run.path.name}-{identity}", config=config, resume="allow", **own)
        except Exception as error:
            raise AlaeError(f"--log {self.name}: {one_line(str(error))}") from error
        self._module = module

    def write(self, step: int, values: Mapping[str, Any]) -> None:
        """See `Records`."""
        self._call("log", dict(flatten(values)), step=step)

    def on_grid(self, step: int, grid: Path) -> None:
        """See `Observer`."""
        if self._module:
            self._call("log", {"grid": self._module.Image(str(grid))}, step=step)

    def on_finish(self, summary: Summary) -> None:
        """See `Observer`."""
        if summary.measures:
            self.write(summary.step, {"summary": summary.measures})

    def close(self) -> None:
        """See `Observer`."""
        self._call("finish")
        self._module = None

    def _call(self, function: str, *arguments: Any, **options: Any) -> None:
        if self._module is None:
            return
        try:
            getattr(self._module, function)(*arguments, **options)
        except Exception as error:  # noqa: BLE001 - a package or network of others must not end a run
            self._module = None
            warnings.warn(f"{self.name} failed, and the run goes on without it: {one_line(str(error))}", stacklevel=2)


def _identify(directory: Path, resumes: bool) -> str:
    """Return the id of a run's records: the one in this directory if the run resumes, or else a new one."""
    file = directory / "id"
    if not (resumes and file.exists()):
        directory.mkdir(exist_ok=True)
        write_atomically(file, uuid.uuid4().hex[:8].encode())
    return file.read_text("ascii")
