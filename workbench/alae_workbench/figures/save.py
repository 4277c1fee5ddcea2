"""Save figures as PNG, SVG or PDF: equal figures give equal bytes."""

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from alae_core._support.files import write_atomically
from alae_core.errors import ArgumentError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: endings of the files that figures can be saved to
ENDINGS = (".png", ".svg", ".pdf")
#: pixels per inch of plots, and of grids in a PDF or SVG
DPI = 200


def require_figure_ending(out: Path) -> Path:
    """Return `out` if figures can be saved to it. Raises ArgumentError if it has another ending."""
    if out.suffix not in ENDINGS:
        raise ArgumentError("out", f"is {out}; it must end in {', '.join(ENDINGS)}")
    return out


def save_figure(out: Path, picture: "Image.Image | Figure") -> None:
    """Save a grid or a plot atomically; creates the directory if needed.

    A grid keeps its pixels in a PDF or SVG too. Files contain no dates.

    Raises ArgumentError as `require_figure_ending`.
    """
    require_figure_ending(out)
    content = BytesIO()
    if isinstance(picture, Image.Image):
        if out.suffix == ".png":
            picture.save(content, "png")
        else:
            _save(_to_plot(picture), content, out.suffix)
    else:
        _save(picture, content, out.suffix)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(out, content.getvalue())


def _save(figure: "Figure", content: BytesIO, ending: str) -> None:
    import matplotlib

    # By default, ids and dates differ every time.
    metadata: dict[str, Any] = {".png": {}, ".svg": {"Date": None}, ".pdf": {"CreationDate": None}}[ending]
    with matplotlib.rc_context({"svg.hashsalt": "alae", "pdf.fonttype": 42}):
        figure.savefig(content, format=ending[1:], dpi=DPI, metadata=metadata)


def _to_plot(picture: Image.Image) -> "Figure":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(picture.width / DPI, picture.height / DPI), dpi=DPI)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.imshow(picture, interpolation="none", aspect="auto")
    return figure
