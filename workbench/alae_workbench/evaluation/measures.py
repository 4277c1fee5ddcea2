"""The table of measures: what a training run is measured by, and when.

A measure is one function in this room, marked by `@measure`; a new file of measures is imported by
`alae_workbench.evaluation`. Records, TensorBoard, summaries and the table a run ends with then have it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from alae_core import Alae, View
from alae_workbench.data.source import DataSet, Source, labels_for

#: of the model, images, where it is looked at, and how many z or images at the most; None where there is no answer
Function = Callable[[Alae, DataSet, View | None, int | None], float | None]
When = Literal["report", "checkpoint", "end"]
#: how many z or images are looked at each time: enough to follow a run by, few enough to cost next to nothing
MOST: dict[When, int | None] = {"report": 256, "checkpoint": 512, "end": None}


@dataclass(frozen=True)
class Measure:
    """A number that says how good a model is.

    Attributes:
        name: what records call it.
        label: what the table at the end of a run calls it.
        symbol: what a line of progress calls it.
        networks: those it needs; a model without one of them is not measured so.
        when: with each report, with each checkpoint, or only at the end of a run, where all are taken.
        function: see `Function`.
    """

    name: str
    label: str
    symbol: str
    networks: str
    when: When
    function: Function


MEASURES: dict[str, Measure] = {}


def measure(label: str, *, networks: str, when: When, symbol: str = "") -> Callable[[Function], Function]:
    """Enter a function into the table, by its own name."""

    def enter(function: Function) -> Function:
        MEASURES[function.__name__] = Measure(
            function.__name__, label, symbol or function.__name__, networks, when, function
        )
        return function

    return enter


def parts_seen(
    alae: Alae, source: Source, view: View | None, count: int
) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    """The first `count` images of a source as the model sees them at a view, and their labels where it takes any.

    In parts: all images at once would not fit into memory where they are large.
    """
    for part in alae.chunks(count, view):
        indices = np.arange(part.start, part.stop)
        x = alae.as_seen(source.images(indices, view.size if view else None), view)
        yield x, labels_for(source, indices, alae.config)


def measured(alae: Alae, data: DataSet, view: View | None, when: When) -> dict[str, float]:
    """Every measure of that moment that the model has the networks for, by name.

    At the end all are taken, with everything there is; in between only those of the moment itself.
    """
    found = {
        each.name: each.function(alae, data, view, MOST[when])
        for each in MEASURES.values()
        if alae.has(each.networks) and when in ("end", each.when)
    }
    return {name: value for name, value in found.items() if value is not None}
