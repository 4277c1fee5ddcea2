"""A run as one self-contained HTML page."""

import re
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from alae_conformance.case import Case, cases
from alae_conformance.experiments.reciprocity import EVERY, LONG_RUN
from alae_conformance.record import CaseRecord, Report
from alae_conformance.report import words
from alae_conformance.tolerances import LANES, RECIPROCITY_EXCEPTIONS, RECIPROCITY_RATIO, TOLERANCES, Lane

#: Okabe and Ito's colours, which colour-blind readers can distinguish; the reference is grey
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_REFERENCE, _ALARM, _INK = "#c4c9cf", "#b00020", "#374151"
_MARKERS: dict[Lane, str] = {"float32": "o", "float64": "s", "bfloat16": "^", "microbatch": "D", "devices": "v"}
_LINES: dict[Lane, Any] = {
    "float32": "-",
    "float64": ":",
    "bfloat16": "-.",
    "microbatch": "--",
    "devices": (0, (1, 1, 3, 1)),
}
_RING: dict[str, Any] = {
    "marker": "o",
    "linestyle": "",
    "markersize": 10,
    "markerfacecolor": "none",
    "markeredgecolor": _ALARM,
    "markeredgewidth": 1.4,
}
#: values outside these ranges are drawn at the edge
_RATIOS = (1e-4, 1e2)
_DEVIATIONS = (1e-17, 1e0)
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "alae-conformance",
    "font.size": 8,
    "axes.edgecolor": "#9aa1a9",
    "axes.linewidth": 0.6,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": "#9aa1a9",
    "ytick.color": "#9aa1a9",
    "xtick.labelcolor": _INK,
    "ytick.labelcolor": _INK,
}


class _Row(NamedTuple):
    """A case, the lanes in which a backend was judged, and the records by backend and lane."""

    case: Case
    lanes: list[Lane]
    found: dict[tuple[str, Lane], CaseRecord]


class _Plot(NamedTuple):
    """A drawing and its title."""

    title: str
    svg: Markup


def page(report: Report) -> str:
    """Render the report as HTML that loads no other file.

    Raises KeyError for a case that the installed suite does not have.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: value if isinstance(value, Markup) else words.escape_controls(str(value)),
    )
    colours = {backend.name: _COLOURS[i % len(_COLOURS)] for i, backend in enumerate(report.backends)}
    rows = _rows(report)
    with rc_context(_STYLE):
        return environment.get_template("page.html.j2").render(
            report=report,
            words=words,
            colours=colours,
            reference_colour=_REFERENCE,
            rows=rows,
            ratios=_ratios(rows, colours) if rows else None,
            trajectories=_trajectories(report, colours),
            reciprocity=_reciprocity(report, colours),
        )


def _rows(report: Report) -> list[_Row]:
    found: dict[str, dict[tuple[str, Lane], CaseRecord]] = {}
    for backend in report.backends:
        for case in backend.cases:
            found.setdefault(case.case, {})[backend.name, case.lane] = case
    order = {name: place for place, name in enumerate(cases())}
    return [
        _Row(cases()[name], [lane for lane in LANES if any(key[1] == lane for key in found[name])], found[name])
        for name in sorted(found, key=order.__getitem__)
    ]


def _ratios(rows: Sequence[_Row], colours: dict[str, str]) -> _Plot:
    figure = Figure(figsize=(10, 1.1 + 0.21 * len(rows)), layout="constrained")
    axes = figure.subplots()
    axes.axvspan(1, 2 * _RATIOS[1], color=_ALARM, alpha=0.06, linewidth=0)
    axes.axvline(1, color=_ALARM, linewidth=1)
    shown: set[Lane] = set()
    wrong: set[int] = set()
    for y, row in enumerate(rows):
        for (backend, lane), case in row.found.items():
            value = words.excess(case)
            if value is None:
                continue
            shown.add(lane)
            x = float(np.clip(value, *_RATIOS))
            # Side by side, because the markers of correct backends overlap.
            shift = 0.6 * ((list(colours).index(backend) + 0.5) / len(colours) - 0.5)
            colour = colours[backend]
            face = colour if lane == "float32" else "none"
            axes.plot(x, y + shift, _MARKERS[lane], color=colour, markerfacecolor=face, markersize=4.5, clip_on=False)
            if case.status in ("failed", "error"):
                wrong.add(y)
                axes.plot(x, y + shift, clip_on=False, **_RING)
    _part_levels(axes, rows)
    axes.set_yticks(range(len(rows)), [row.case.id for row in rows])
    for y in wrong:
        axes.get_yticklabels()[y].set(color=_ALARM, fontweight="bold")
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xscale("log")
    axes.set_xlim(_RATIOS[0], _RATIOS[1])
    axes.xaxis.set_minor_locator(NullLocator())
    ticks = [10.0**power for power in range(-4, 3)]
    axes.set_xticks(ticks, ["≤ 0.0001", "0.001", "0.01", "0.1", "1: the limit", "10", "≥ 100, ∞"])
    axes.grid(axis="x", color="#e5e7eb", linewidth=0.5)
    axes.set_axisbelow(True)
    axes.tick_params(length=0)
    axes.tick_params(axis="y", pad=8)
    axes.set_xlabel("largest error / limit of each case")
    keys = _keys(colours, [lane for lane in LANES if lane in shown], bool(wrong))
    figure.legend(handles=keys, loc="outside upper center", ncols=len(keys), frameon=False, handletextpad=0.2)
    return _plot("Error / limit of every case", figure, "ratios")


def _part_levels(axes: Axes, rows: Sequence[_Row]) -> None:
    levels = [row.case.level for row in rows]
    beside = axes.get_yaxis_transform()
    for level in sorted(set(levels)):
        first, after = levels.index(level), levels.index(level) + levels.count(level)
        if first:
            axes.axhline(first - 0.5, color=_REFERENCE, linewidth=0.6)
        middle = (first + after - 1) / 2
        axes.text(1.015, middle, f"L{level} {words.LEVELS[level]}", va="center", transform=beside)


def _keys(colours: dict[str, str], lanes: Sequence[Lane], wrong: bool) -> list[Line2D]:
    keys = [Line2D([], [], marker="o", linestyle="", color=colour, label=name) for name, colour in colours.items()]
    for lane in lanes:
        face = _INK if lane == "float32" else "none"
        keys.append(Line2D([], [], marker=_MARKERS[lane], linestyle="", color=_INK, markerfacecolor=face, label=lane))
    if wrong:
        keys.append(Line2D([], [], label="failed or error", **_RING))
    return keys


def _trajectories(report: Report, colours: dict[str, str]) -> list[_Plot]:
    return [
        _trajectory(report, colours, case, key)
        for case, curves in report.reference.items()
        for key in curves
        if key.startswith("trajectory/")
    ]


def _trajectory(report: Report, colours: dict[str, str], case: str, key: str) -> _Plot:
    figure = Figure(figsize=(3.5, 3.0), layout="constrained")
    losses, deviations = figure.subplots(2, sharex=True, height_ratios=(3, 2))
    expected = np.array(report.reference[case][key])
    steps = np.arange(1, len(expected) + 1)
    losses.plot(steps, expected, color=_REFERENCE, linewidth=5, solid_capstyle="round")
    losses.margins(y=0.15)
    losses.set_ylim(losses.get_ylim())  # so that a backend that diverges does not flatten the others
    for (backend, lane), found in _curves(report, case, key).items():
        if lane == "float32":
            losses.plot(steps, found, color=colours[backend], linewidth=1.3, linestyle=_dash(backend, colours))
        with np.errstate(divide="ignore", invalid="ignore"):
            deviation = np.abs(found - expected) / np.abs(expected)
        deviations.plot(
            steps, np.clip(deviation, *_DEVIATIONS), color=colours[backend], linewidth=1, linestyle=_LINES[lane]
        )
    for lane in sorted({lane for _, lane in _curves(report, case, key)}, key=LANES.index):
        deviations.axhline(TOLERANCES["run", lane].relative, color=_ALARM, linewidth=0.8, linestyle=_LINES[lane])
    deviations.set_yscale("log")
    deviations.set_ylim(*_DEVIATIONS)
    deviations.set_yticks([1e-16, 1e-12, 1e-8, 1e-4, 1])
    deviations.yaxis.set_minor_locator(NullLocator())
    deviations.set_xticks([1, *range(5, len(expected) + 1, 5)])
    losses.set_ylabel("loss")
    deviations.set_ylabel("|Δ| / loss")
    deviations.set_xlabel("step")
    figure.align_ylabels()
    title = f"{case}, {key.split('/', 1)[1]}"
    return _plot(title, figure, f"{case}-{key.split('/', 1)[1]}")


def _reciprocity(report: Report, colours: dict[str, str]) -> list[_Plot]:
    key = "reciprocity/error"
    return [_band(report, colours, case, key) for case, curves in report.reference.items() if key in curves]


def _band(report: Report, colours: dict[str, str], case: str, key: str) -> _Plot:
    figure = Figure(figsize=(7.5, 3.6), layout="constrained")
    axes = figure.subplots()
    steps = np.arange(0, LONG_RUN + 1, EVERY)
    expected = np.array(report.reference[case][key])
    low, median, high = _quantiles(expected)
    axes.fill_between(steps, low, high, color=_REFERENCE, alpha=0.4, linewidth=0)
    axes.plot(steps, median, color=_REFERENCE, linewidth=6, solid_capstyle="round")
    for (backend, _), found in _curves(report, case, key).items():
        low, median, high = _quantiles(found)
        axes.fill_between(steps, low, high, color=colours[backend], alpha=0.12, linewidth=0)
        axes.plot(steps, median, color=colours[backend], linewidth=1.5, linestyle=_dash(backend, colours))
    axes.hlines(RECIPROCITY_RATIO, LONG_RUN - EVERY / 2, LONG_RUN + EVERY / 2, color=_ALARM, linewidth=2)
    axes.annotate(
        f"limit {RECIPROCITY_RATIO:g}\nfor {len(expected) - RECIPROCITY_EXCEPTIONS} of {len(expected)} seeds",
        (LONG_RUN + EVERY / 2, RECIPROCITY_RATIO),
        (4, 0),
        textcoords="offset points",
        va="center",
        color=_ALARM,
        annotation_clip=False,
    )
    axes.set_yscale("log")
    axes.set_xlim(0, LONG_RUN + EVERY / 2)
    axes.set_xticks(range(0, LONG_RUN + 1, 2 * EVERY))
    axes.set_xlabel("step")
    axes.set_ylabel("R / R at step 0")
    return _plot(f"{case}, reciprocity error", figure, case)


def _quantiles(errors: np.ndarray) -> np.ndarray:
    """Return the 10th, 50th and 90th percentile over seeds of R divided by its initial value, at each step."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.percentile(errors / errors[:, :1], (10, 50, 90), axis=0)


def _curves(report: Report, case: str, key: str) -> dict[tuple[str, Lane], np.ndarray]:
    """Return the curves by backend and lane that have the reference's shape."""
    shape = np.shape(report.reference[case][key])
    found = {
        (backend.name, record.lane): np.array(record.curves[key])
        for backend in report.backends
        for record in backend.cases
        if record.case == case and key in record.curves
    }
    return {which: curve for which, curve in found.items() if curve.shape == shape}


def _dash(backend: str, colours: dict[str, str]) -> tuple[float, tuple[float, float]]:
    """Return dashes with gaps for the other backends' dashes, so that overlapping lines all stay visible."""
    length = 3.0
    return -length * list(colours).index(backend), (length, length * max(1, len(colours) - 1))


def _plot(title: str, figure: Figure, name: str) -> _Plot:
    file = StringIO()
    figure.savefig(file, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")), transparent=True)
    text = file.getvalue()
    # Matplotlib numbers ids from zero in each figure, but they must be unique in the page.
    unique = re.sub(r'( id="|url\(#|href="#)', rf"\g<1>{name}-", text[text.index("<svg") :])
    return _Plot(title, Markup(unique))
