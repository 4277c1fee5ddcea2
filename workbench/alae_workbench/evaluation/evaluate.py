"""Take measures: of a subject by name, of a training run at a moment, and of an opened model with a record."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from alae_core import AlaeError
from alae_core._support.cache import cache_directory
from alae_core.run_source import name_source
from alae_workbench.data.source import DataSet
from alae_workbench.evaluation.cache import Cache, Progress, no_progress
from alae_workbench.evaluation.measures.sample_quality import COUNT
from alae_workbench.evaluation.records import Evaluation
from alae_workbench.evaluation.registry import (
    LIMITS,
    MEASURES,
    UnmeasurableError,
    When,
    default_measures,
    load,
    measures_due,
    resolve_measures,
)
from alae_workbench.evaluation.subject import Subject
from alae_workbench.models.opening import OpenedModel


class Outcome(NamedTuple):
    """Values of measures by name, and for measures without a value the reason by name."""

    values: dict[str, float]
    refused: dict[str, str]


def take_measures(subject: Subject, names: Iterable[str]) -> Outcome:
    """Take the measures of these names. Measures with the same function and arguments are computed in one call."""
    outcome = Outcome({}, {})
    calls: dict[tuple[object, ...], list[str]] = {}
    for name in dict.fromkeys(names):
        measure = MEASURES[name]
        calls.setdefault((measure.function, measure.arguments), []).append(name)
    for group in calls.values():
        measure, model = MEASURES[group[0]], subject.model
        if not model.has(measure.networks):
            missing = ", ".join(sorted(set(measure.networks) - model.networks.keys()))
            reason = f"the algorithm {model.config.algorithm} has no network {missing}"
            outcome.refused.update(dict.fromkeys(group, reason))
            continue
        try:
            found = load(measure.function)(subject, *measure.arguments)
        except UnmeasurableError as error:
            outcome.refused.update(dict.fromkeys(group, str(error)))
            continue
        values = found if isinstance(found, Mapping) else {measure.name: found}
        for name in filter(values.__contains__, group):
            if isinstance(values[name], UnmeasurableError):
                outcome.refused[name] = str(values[name])
            else:
                outcome.values[name] = values[name]
    return outcome


def take_due(subject: Subject, when: When) -> dict[str, float]:
    """Take the measures due at a moment of a run, limited as in `LIMITS`; return those that have a value."""
    return take_measures(replace(subject, limit=LIMITS.get(when)), measures_due(when)).values


def evaluate(
    opened: OpenedModel,
    measures: Sequence[str] | None = None,
    *,
    data: str | None = None,
    labels: str | None = None,
    limit: int | None = None,
    directory: Path | None = None,
    weights: Path | None = None,
    progress: Progress = no_progress,
    strict: bool = True,
) -> Evaluation:
    """Measure a model. Features of images are cached, so an interrupted evaluation continues where it stopped.

    Args:
        opened: the model.
        measures: names of measures or groups; default all that need no large network.
        data: SOURCE of images, as in `training.data`; default the run's own.
        labels: which of their labels are used: see `OpenedModel.load_data`.
        limit: maximum number of z, held-out images and samples; default all, and 10,000 samples.
        directory: of cached features; default `features` in `cache_directory()`.
        weights: folder of other networks' weights, where missing files are downloaded to; default `weights` in
            `cache_directory()`.
        progress: reports how computations advance.
        strict: whether to raise if none of the measures that one of `measures` selects has a value.

    Raises:
        AlaeError: a name is unknown, or as `strict` says.
        DataError: as `OpenedModel.load_data`.
    """
    names = default_measures() if measures is None else resolve_measures(measures)
    images = opened.load_data(data, labels)
    cache = Cache(directory or cache_directory() / "features", weights or cache_directory() / "weights", progress)
    own = opened.is_own(data, images)
    values, refused = take_measures(Subject(opened.model, images, opened.view, limit, cache, own), names)
    for word in (measures or ()) if strict else ():
        found = resolve_measures([word])
        if not values.keys() & set(found):
            raise AlaeError(f"{found[0]} has no value: {refused[found[0]]}")
    checkpoint = opened.checkpoint
    return Evaluation(
        model=name_source(checkpoint.path) or str(checkpoint.path),
        step=checkpoint.step,
        shown=sum(checkpoint.shown),
        lod=opened.view.lod if opened.view else None,
        averaged=opened.averaged,
        against=data or str(opened.training.data),
        own=own,
        labels=labels,
        count=limit,
        images=_image_counts(images, limit),
        measures=values,
        refused=refused,
        asked=tuple(measures or ()),
    )


def _image_counts(data: DataSet, limit: int | None) -> dict[str, int]:
    return {
        "train": len(data.train),
        "held_out": min(limit or len(data.held_out), len(data.held_out)),
        "samples": min(limit or COUNT, len(data.train)),
    }
