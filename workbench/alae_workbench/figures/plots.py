"""Plots of numbers: the curves of one or several runs, and an ablation's measures as bars with every seed visible."""

import json
from collections.abc import Mapping, Sequence
from math import ceil
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Any

from alae_core import AlaeError
from alae_core._support.files import read_regular
from alae_workbench.storage.directory import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours, which people tell apart who see few; then the line's style changes.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_STYLES = ("-", "--", ":", "-.")
_INK, _FAINT = "#282828", "#d8d8d4"
# What a file of metrics may hold at the most: bytes.
_MOST = 2**30
# Records of speed and level say nothing of how good a run is.
_LEFT_OUT = ("images_per_second", "lod", "blend")


def plot_curves(runs: Sequence[Path]) -> "Figure":
    """The losses and measures of runs over their training steps, a panel for each, as `metrics.jsonl` has them.

    What every run has of one step alone, as of an evaluation, is left out, unless there is nothing else.

    Raises AlaeError where a path is no run, or has no records yet.
    """
    found = {str(path): read_histories(path) for path in runs}
    names = list(dict.fromkeys(name for history in found.values() for name in history))
    names = [name for name in names if any(len(history.get(name, ())) > 1 for history in found.values())] or names
    figure, panels = _panels(len(names), 3.4, 2.3, 3)
    for name, axes in zip(names, panels, strict=True):
        for i, (run, history) in enumerate(found.items()):
            if name in history:
                steps, values = zip(*history[name], strict=True)
                (line,) = axes.plot(steps, values, label=_short(run), linewidth=1.2)
                line.set(color=_COLOURS[i % len(_COLOURS)], linestyle=_STYLES[i // len(_COLOURS) % len(_STYLES)])
                if len(steps) == 1:
                    line.set(marker="o", markersize=3)
        axes.set_title(name.replace("_", " "), loc="left", fontsize=9)
        axes.set_xlabel("step", fontsize=7)
    if len(found) > 1:
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower left", ncols=min(len(labels), 4), frameon=False, fontsize=8)
    return figure


def read_histories(path: Path) -> dict[str, list[tuple[int, float]]]:
    """For each number in a run's `metrics.jsonl` its steps and values, in the order of steps."""
    run = Run.of(path)
    if not run.metrics.exists():
        raise AlaeError(f"{path} has no records yet: {run.metrics.name} comes with the first report")
    found: dict[str, dict[int, float]] = {}
    for line in read_regular(run.metrics, _MOST).splitlines():
        try:
            record = json.loads(line)
            step = int(record.pop("step"))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            continue  # a kill tears the last line
        for name, value in _flat(record).items():
            found.setdefault(name, {})[step] = value
    return {name: sorted(values.items()) for name, values in found.items() if name not in _LEFT_OUT}


def plot_bars(
    numbers: Mapping[str, Mapping[str, Sequence[float]]], labels: Mapping[str, str], caption: str
) -> "Figure":
    """For each measure a panel: a bar as long as each variant's mean over seeds, and a dot for every seed.

    Args:
        numbers: by variant and measure the value from each seed.
        labels: the measures that are shown, and what stands above each.
        caption: a line below.
    """
    figure, panels = _panels(len(labels), 3.4, 0.6 + 0.26 * len(numbers), 3)
    for (name, label), axes in zip(labels.items(), panels, strict=True):
        there = {variant: list(found[name]) for variant, found in numbers.items() if name in found}
        places = range(len(there))
        axes.barh(places, [mean(values) for values in there.values()], color="#a9c6dc", height=0.66)
        # Room for the mean beside each bar, whose length alone shows little where all are long.
        longest = max((abs(value) for values in there.values() for value in values), default=0) or 1.0
        axes.set_xlim(0, 1.25 * longest)
        for place, values in zip(places, there.values(), strict=True):
            axes.plot(values, [place] * len(values), "o", color=_COLOURS[0], markersize=3, alpha=0.9)
            end = max(*values, mean(values), 0) + 0.03 * longest
            axes.text(end, place, f"{mean(values):.3g}", va="center", fontsize=7, color=_INK)
        axes.set_yticks(list(places), list(there))
        axes.invert_yaxis()
        axes.set_title(label, loc="left", fontsize=9)
    figure.supxlabel(caption, x=0.01, ha="left", fontsize=7, color=_INK)
    return figure


def _panels(count: int, width: float, height: float, columns: int) -> tuple["Figure", list["Axes"]]:
    from matplotlib.figure import Figure

    columns = min(columns, count)
    rows = ceil(count / columns)
    figure = Figure(figsize=(columns * width, rows * height + 0.5), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).ravel().tolist()
    for axes in grid[count:]:
        axes.remove()
    for axes in grid[:count]:
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=7, colors=_INK)
        axes.grid(color=_FAINT, linewidth=0.5)
        axes.set_axisbelow(True)
    return figure, grid[:count]


def _short(run: str) -> str:
    parts = Path(run).parts
    return "/".join(parts[-2:]) if len(parts) > 1 and parts[-1].startswith("seed-") else parts[-1]


def _flat(record: Mapping[str, Any]) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, value in record.items():
        if isinstance(value, Mapping):
            # "losses" and "evaluation" say where a number is from, which its own name says too.
            found |= {f"{inner} loss" if name == "losses" else inner: number for inner, number in _flat(value).items()}
        elif isinstance(value, int | float):
            found[name] = float(value)
    return found
