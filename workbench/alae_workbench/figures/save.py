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
    content = encode_figure(picture, out.suffix)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(out, content)


def encode_figure(picture: "Image.Image | Figure", ending: str, dpi: int = DPI) -> bytes:
    """Return the content of a grid's or plot's file.

    Args:
        picture: the grid or plot.
        ending: one of `ENDINGS`.
        dpi: pixels per inch of a plot.
    """
    content = BytesIO()
    if not isinstance(picture, Image.Image):
        _save(picture, content, ending, dpi)
    elif ending == ".png":
        picture.save(content, "png")
    else:
        _save(_to_plot(picture), content, ending, DPI)
    return content.getvalue()


def _save(figure: "Figure", content: BytesIO, ending: str, dpi: int) -> None:
    import matplotlib

    # By default, ids and dates differ every time.
    metadata: dict[str, Any] = {".png": {}, ".svg": {"Date": None}, ".pdf": {"CreationDate": None}}[ending]
    with matplotlib.rc_context({"svg.hashsalt": "alae", "pdf.fonttype": 42}):
        figure.savefig(content, format=ending[1:], dpi=dpi, metadata=metadata)


def _to_plot(picture: Image.Image) -> "Figure":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(picture.width / DPI, picture.height / DPI), dpi=DPI)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.imshow(picture, interpolation="none", aspect="auto")
    return figure
