"""The model that ships with alae: a run written by `alae export`, for commands that are given no run."""

from pathlib import Path

#: its run directory, as for `open_model` or `alae_core.load`
SHIPPED = Path(__file__).parent.parent / "shipped"


def locate_model(path: Path | None) -> Path:
    """Return the run to open: `path`, or `SHIPPED` if it is None or the word "shipped", unless that folder exists."""
    return SHIPPED if path is None or (path == Path(SHIPPED.name) and not path.exists()) else path
