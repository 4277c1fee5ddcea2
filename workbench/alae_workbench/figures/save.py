"""Figures as files: PNG, SVG or PDF, the same bytes from the same input."""

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from alae_core._support.files import write_whole
from alae_core.errors import ArgumentError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: what a figure may be written as
ENDINGS = (".png", ".svg", ".pdf")
#: pixels of a plot, and of a grid in a PDF, per inch
DPI = 200


def require_figure_ending(out: Path) -> Path:
    """`out`, where a figure can be written as what it ends in. Raises ArgumentError."""
    if out.suffix not in ENDINGS:
        raise ArgumentError("out", f"is {out}: it must end in {', '.join(ENDINGS)}")
    return out


def save_figure(out: Path, picture: "Image.Image | Figure") -> None:
    """Write a grid of images or a plot, whole or not at all, in a directory made if need be.

    A grid's pixels stay as they are, in a PDF or an SVG too; nothing in a file says when it was made. Raises
    ArgumentError as `require_figure_ending`.
    """
    require_figure_ending(out)
    content = BytesIO()
    if isinstance(picture, Image.Image):
        if out.suffix == ".png":
            picture.save(content, "png")
        else:
            _save(_as_plot(picture), content, out.suffix)
    else:
        _save(picture, content, out.suffix)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_whole(out, content.getvalue())


def _save(figure: "Figure", content: BytesIO, ending: str) -> None:
    import matplotlib

    # Without these, ids and dates differ from one writing to the next.
    nothing: dict[str, Any] = {".png": {}, ".svg": {"Date": None}, ".pdf": {"CreationDate": None}}[ending]
    with matplotlib.rc_context({"svg.hashsalt": "alae", "pdf.fonttype": 42}):
        figure.savefig(content, format=ending[1:], dpi=DPI, metadata=nothing)


def _as_plot(picture: Image.Image) -> "Figure":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(picture.width / DPI, picture.height / DPI), dpi=DPI)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.imshow(picture, interpolation="none", aspect="auto")
    return figure
