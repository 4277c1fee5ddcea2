"""Plots of numbers: curves of runs over their training steps, and measures of an ablation as bars."""

from collections.abc import Mapping, Sequence
from math import ceil, isnan, nan
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure

from alae_core import AlaeError
from alae_workbench.figures.save import encode_figure
from alae_workbench.storage.directory import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# The palette of Okabe and Ito, which colour-blind readers can tell apart; further curves repeat it in another style.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_STYLES = ("-", "--", ":", "-.")
_INK, _FAINT = "#282828", "#d8d8d4"
# Recorded numbers that are neither a loss nor a measure.
_OMITTED = ("images_per_second", "images", "lod", "blend")
# Pixels per inch in a notebook.
_SCREEN_DPI = 100


class Plot(Figure):
    """A plot of Matplotlib, which notebooks show."""

    def _repr_png_(self) -> bytes:
        return encode_figure(self, ".png", _SCREEN_DPI)


def plot_curves(runs: Sequence[Path]) -> Plot:
    """Plot each loss and measure in the runs' `metrics.jsonl` over training steps, one panel each.

    Omits numbers that were recorded at one step only, such as those of an evaluation, unless all were. A dotted line
    with the resolution marks where a level of detail begins; curves are interrupted there, because numbers at different
    levels cannot be compared.

    Raises AlaeError if a path is not a run directory, or has no records yet.
    """
    levels = {str(path): read_levels(path) for path in runs}
    histories = {str(path): read_histories(path) for path in runs}
    names = list(dict.fromkeys(name for history in histories.values() for name in history))
    names = [name for name in names if any(len(history.get(name, ())) > 1 for history in histories.values())] or names
    figure, panels = _make_panels(len(names), 3.4, 2.3, 3)
    for name, axes in zip(names, panels, strict=True):
        for i, (run, history) in enumerate(histories.items()):
            if name in history:
                colour, style = _COLOURS[i % len(_COLOURS)], _STYLES[i // len(_COLOURS) % len(_STYLES)]
                points = _split_at(history[name], [step for step, _ in levels[run]])
                steps, values = zip(*points, strict=True)
                (line,) = axes.plot(steps, values, label=_shorten(run), linewidth=1.2, color=colour, linestyle=style)
                line.set(marker="o", markersize=3, markevery=_find_isolated(points))
                _mark_levels(axes, levels[run], colour, row=i)
        axes.set_title(name.replace("_", " "), loc="left", fontsize=9)
        axes.set_xlabel("step", fontsize=7)
    if len(histories) > 1:
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower left", ncols=min(len(labels), 4), frameon=False, fontsize=8)
    return figure


def read_histories(path: Path) -> dict[str, list[tuple[int, float]]]:
    """Read the numbers in a run's `metrics.jsonl`: by name, pairs of step and value, sorted by step.

    Raises AlaeError if `path` is not a run directory, or has no records yet.
    """
    run = Run.find(path)
    if not run.metrics.exists():
        raise AlaeError(f"{path} has no records yet: training writes {run.metrics.name} at its first report")
    histories: dict[str, dict[int, float]] = {}
    for step, record in run.read_records():
        for name, value in _flatten(record).items():
            histories.setdefault(name, {})[step] = value
    return {name: sorted(values.items()) for name, values in histories.items() if name not in _OMITTED}


def read_levels(path: Path) -> list[tuple[int, int]]:
    """Read the levels of detail of a run: the first recorded step and the side in pixels of each; none if it has none.

    Raises AlaeError if `path` is not a run directory.
    """
    lods = sorted((step, record["lod"]) for step, record in Run.find(path).read_records() if "lod" in record)
    return [(step, 4 * 2**lod) for i, (step, lod) in enumerate(lods) if i == 0 or lod != lods[i - 1][1]]


def plot_bars(numbers: Mapping[str, Mapping[str, Sequence[float]]], labels: Mapping[str, str], caption: str) -> Plot:
    """Plot a panel for each measure: each variant's mean over seeds as a bar, and every seed as a dot.

    Args:
        numbers: the values of all seeds, by variant and measure.
        labels: the measures to plot, and the title of each panel.
        caption: a line below the panels.
    """
    figure, panels = _make_panels(len(labels), 3.4, 0.6 + 0.26 * len(numbers), 3)
    for (name, label), axes in zip(labels.items(), panels, strict=True):
        bars = {variant: list(measures[name]) for variant, measures in numbers.items() if name in measures}
        positions = range(len(bars))
        axes.barh(positions, [mean(values) for values in bars.values()], color="#a9c6dc", height=0.66)
        # Leave room to print the mean beside each bar, because long bars look alike.
        longest = max((abs(value) for values in bars.values() for value in values), default=0) or 1.0
        axes.set_xlim(0, 1.25 * longest)
        for position, values in zip(positions, bars.values(), strict=True):
            axes.plot(values, [position] * len(values), "o", color=_COLOURS[0], markersize=3, alpha=0.9)
            end = max(*values, mean(values), 0) + 0.03 * longest
            axes.text(end, position, f"{mean(values):.3g}", va="center", fontsize=7, color=_INK)
        axes.set_yticks(list(positions), list(bars))
        axes.invert_yaxis()
        axes.set_title(label, loc="left", fontsize=9)
    figure.supxlabel(caption, x=0.01, ha="left", fontsize=7, color=_INK)
    return figure


def _make_panels(count: int, width: float, height: float, columns: int) -> tuple[Plot, "list[Axes]"]:
    columns = min(columns, count)
    rows = ceil(count / columns)
    figure = Plot(figsize=(columns * width, rows * height + 0.5), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).ravel().tolist()
    for axes in grid[count:]:
        axes.remove()
    for axes in grid[:count]:
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=7, colors=_INK)
        axes.grid(color=_FAINT, linewidth=0.5)
        axes.set_axisbelow(True)
    return figure, grid[:count]


def _split_at(history: list[tuple[int, float]], steps: Sequence[int]) -> list[tuple[float, float]]:
    """Insert a gap into a curve before each of these steps, except before its first point."""
    points: list[tuple[float, float]] = []
    for step, value in history:
        if points and any(points[-1][0] < start <= step for start in steps):
            points.append((nan, nan))
        points.append((step, value))
    return points


def _find_isolated(points: Sequence[tuple[float, float]]) -> list[int]:
    """Return the indices of points between two gaps, where no line shows them."""
    gaps = [True, *(isnan(step) for step, _ in points), True]
    return [i for i in range(len(points)) if gaps[i] and gaps[i + 2] and not gaps[i + 1]]


def _mark_levels(axes: "Axes", levels: Sequence[tuple[int, int]], colour: str, row: int) -> None:
    """Mark where each level of detail begins, if there are several; the labels of different runs have their own row."""
    for step, side in levels if len(levels) > 1 else ():
        axes.axvline(step, color=colour, linewidth=0.6, linestyle=":")
        place: dict[str, Any] = {"xycoords": ("data", "axes fraction"), "xytext": (1, 1), "textcoords": "offset points"}
        axes.annotate(f"{side}×{side}", (step, 0.18 * (row % 5)), rotation=90, color=colour, fontsize=5, **place)


def _shorten(run: str) -> str:
    parts = Path(run).parts
    return "/".join(parts[-2:]) if len(parts) > 1 and parts[-1].startswith("seed-") else parts[-1]


def _flatten(record: Mapping[str, Any]) -> dict[str, float]:
    numbers: dict[str, float] = {}
    for name, value in record.items():
        if isinstance(value, Mapping):
            # The group is dropped: the names of losses and measures are unique without it.
            numbers |= {
                f"{inner} loss" if name == "losses" else inner: number for inner, number in _flatten(value).items()
            }
        elif isinstance(value, int | float):
            numbers[name] = float(value)
    return numbers
