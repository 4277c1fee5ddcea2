"""The model that ships with alae: a run written by `alae export`, for commands that are given no run."""

from pathlib import Path

from alae_core import AlaeError
from alae_workbench.storage.directory import Run

#: its run directory, as for `open_model` or `alae_core.load`
SHIPPED = Path(__file__).parent.parent / "shipped"


def locate_model(path: Path | None) -> Path:
    """Return the run to open: `path`, or `SHIPPED` if it is None or the word "shipped", unless that folder exists."""
    return SHIPPED if path is None or (path == Path(SHIPPED.name) and not path.exists()) else path


def find_run_for_directions(model: Path) -> Run:
    """Return the run directory that contains a model, to save directions in.

    Raises AlaeError if the model is not inside one, or it cannot be written, is a .zip, or is the shipped model's.
    """
    run = Run.find(model)
    if run.path == SHIPPED:
        raise AlaeError("directions cannot be saved in the model that ships with alae: choose a folder with --out")
    run.require_folder("directions")
    return run
