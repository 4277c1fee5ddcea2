"""The table of measures: what a model is measured by, and when.

A measure is a function in this room, marked by `@measure`, or by `@measures` where one look at a model answers several
numbers; a new file of them is imported by `alae_workbench.evaluation`. Records, TensorBoard, summaries, `alae evaluate`
and `alae compare` then have it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from alae_core import Alae, AlaeError, View
from alae_core._support.text import suggest
from alae_workbench.data.labels import select_labels
from alae_workbench.data.source import DataSet, Source
from alae_workbench.evaluation.cache import Keep

#: of the model, images, where it is looked at, and how many z or images at the most
Function = Callable[[Alae, DataSet, View | None, int | None], float]
#: the same of several numbers by name, and of what may be kept of dear looks
Several = Callable[[Alae, DataSet, View | None, int | None, Keep], Mapping[str, float]]
When = Literal["report", "checkpoint", "end", "asked", "named"]
#: which way a number gets better; "" for one that says how a model is, not how good
Better = Literal["lower", "higher", ""]
#: how many z or images are looked at each time: enough to follow a run by, few enough to cost next to nothing
MOST: dict[When, int | None] = {"report": 256, "checkpoint": 512, "end": None, "asked": None, "named": None}


class UnmeasurableError(AlaeError):
    """A number has no meaning for this model or these images."""


@dataclass(frozen=True)
class Measure:
    """A number that says how a model is.

    Attributes:
        name: what records call it.
        label: what tables call it.
        symbol: what a line of progress calls it.
        group: the file it is from, by which several are asked for.
        better: which way is better.
        networks: those it needs; a model without one of them is not measured so.
        when: with each report, with each checkpoint, at the end of a run, where those before are taken too, when
            somebody asks, or only when it is named: what takes large networks.
        function: see `Several`; it answers this number, and maybe others.
    """

    name: str
    label: str
    symbol: str
    group: str
    better: Better
    networks: str
    when: When
    function: Several

    @property
    def arrow(self) -> str:
        """Which way is better, as tables show it."""
        return {"lower": "↓", "higher": "↑", "": ""}[self.better]


MEASURES: dict[str, Measure] = {}


def measure(
    label: str, *, networks: str, when: When, better: Better = "lower", symbol: str = ""
) -> Callable[[Function], Function]:
    """Enter a function into the table, by its own name."""

    def enter(function: Function) -> Function:
        name = function.__name__

        def answer(alae: Alae, data: DataSet, view: View | None, most: int | None, keep: Keep) -> Mapping[str, float]:
            return {name: function(alae, data, view, most)}

        group = function.__module__.rpartition(".")[2]
        MEASURES[name] = Measure(name, label, symbol or name, group, better, networks, when, answer)
        return function

    return enter


def measures(
    labels: Mapping[str, tuple[str, Better]], *, networks: str, when: When = "asked", group: str | None = None
) -> Callable[[Several], Several]:
    """Enter a function into the table that answers several numbers: for each its label, and which way is better."""

    def enter(function: Several) -> Several:
        own = group or function.__module__.rpartition(".")[2]
        for name, (label, better) in labels.items():
            MEASURES[name] = Measure(name, label, name, own, better, networks, when, function)
        return function

    return enter


def parts_seen(
    alae: Alae, source: Source, view: View | None, most: int | None = None, start: int = 0
) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    """The first `most` images of a source, or all, as the model sees them at a view, and labels where it takes any.

    In parts: all images at once would not fit into memory where they are large. `start` leaves out as many parts as lie
    before it.
    """
    for part in alae.chunks(min(most or len(source), len(source)), view):
        if part.start >= start:
            indices = np.arange(part.start, part.stop)
            x = alae.as_seen(source.images(indices, view.size if view else None), view)
            yield x, select_labels(source, indices, alae.config)


def reconstructed(
    alae: Alae, source: Source, view: View | None, most: int | None = None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The parts of `parts_seen`, and their reconstructions without noise, which may leave [−1, 1]."""
    for x, labels in parts_seen(alae, source, view, most):
        yield x, alae.reconstruct(x, view, noise="none", labels=labels)


def starts_from(alae: Alae, count: int, view: View | None, index: int) -> list[int]:
    """Where the model's parts of `count` images begin, from the part that holds image `index` on."""
    starts = [part.start for part in alae.chunks(count, view)]
    return [start for start in starts if start >= max(each for each in starts if each <= index)]


def measured(alae: Alae, data: DataSet, view: View | None, when: When) -> dict[str, float]:
    """Every measure of that moment that the model has the networks for, by name.

    At the end all are taken that nobody need ask for, with everything there is; in between only those of the moment
    itself.
    """
    moments = ("report", "checkpoint", "end") if when == "end" else (when,)
    due = [each.name for each in MEASURES.values() if each.when in moments]
    return answers(alae, data, view, due, MOST[when])


def answers(
    alae: Alae,
    data: DataSet,
    view: View | None,
    names: Iterable[str],
    most: int | None = None,
    keep: Keep | None = None,
    refused: dict[str, str] | None = None,
) -> dict[str, float]:
    """The measures of these names, those of one function from one look.

    What the model has no networks for, or what has no meaning for it, is left out; `refused` is told why, by name.
    """
    found: dict[str, float] = {}
    wanted, refused = dict.fromkeys(names), {} if refused is None else refused
    functions = dict.fromkeys(MEASURES[name].function for name in wanted)
    for function in functions:
        own = [name for name in wanted if MEASURES[name].function is function]
        networks = MEASURES[own[0]].networks
        if not alae.has(networks):
            lacking = ", ".join(sorted(set(networks) - alae.networks.keys()))
            refused |= dict.fromkeys(own, f"the algorithm {alae.config.algorithm} has no network {lacking}")
            continue
        try:
            numbers = function(alae, data, view, most, keep or Keep())
        except UnmeasurableError as error:
            refused |= dict.fromkeys(own, str(error))
            continue
        found |= {name: numbers[name] for name in own if name in numbers}
    return found


def named(words: Iterable[str]) -> list[str]:
    """The measures that words name: a measure's own name, or that of a group.

    Raises AlaeError, naming what there is, where a word is neither.
    """
    groups: dict[str, list[str]] = {}
    for each in MEASURES.values():
        groups.setdefault(each.group, []).append(each.name)
    found: list[str] = []
    for word in words:
        if word not in groups and word not in MEASURES:
            hint = suggest(word, [*groups, *MEASURES])
            raise AlaeError(
                f"there is no measure {word!r}{hint}; groups: {', '.join(groups)}; measures: {', '.join(MEASURES)}"
            )
        found += groups.get(word, [word])
    return list(dict.fromkeys(found))
