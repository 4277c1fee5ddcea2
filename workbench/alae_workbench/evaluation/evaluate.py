"""Evaluating a trained model by chosen measures."""

from collections.abc import Sequence
from pathlib import Path

from alae_core import AlaeError
from alae_workbench.data.source import DataSet
from alae_workbench.evaluation.cache import Keep, Tell, default_place, silent
from alae_workbench.evaluation.measures.samples import COUNT
from alae_workbench.evaluation.records import Evaluation
from alae_workbench.evaluation.registry import MEASURES, answers, named
from alae_workbench.models.opening import OpenedModel


def evaluate(
    opened: OpenedModel,
    metrics: Sequence[str] | None = None,
    *,
    against: str | None = None,
    count: int | None = None,
    place: Path | None = None,
    weights: Path | None = None,
    tell: Tell | None = None,
    strict: bool | None = None,
) -> Evaluation:
    """Measure a model. Features of images are kept, so that what was interrupted goes on.

    Args:
        opened: the model.
        metrics: names of measures or of groups of them; by default all that need no large network.
        against: images as `training.data` names them; by default the run's own.
        count: how many z, held-out images and samples at the most; by default all, and 10,000 samples.
        place: where features are kept; by default `keep.default_place`.
        weights: the folder of weights that others trained, which what is missing is fetched into; by default one below
            that place.
        tell: who is told how it goes.
        strict: whether each must have an answer; by default where measures are named.

    Raises:
        AlaeError: there is no such measure, or one that must have an answer has none.
        DataError: as `OpenedModel.load_data`.
    """
    asked = [each.name for each in MEASURES.values() if each.when != "named"] if metrics is None else named(metrics)
    data = opened.load_data(against)
    keep = Keep(place or default_place(), tell or silent, weights)
    refused: dict[str, str] = {}
    found = answers(opened.model, data, opened.view, asked, count, keep, refused)
    for name in refused if (metrics is not None if strict is None else strict) else ():
        raise AlaeError(f"{name} has no answer: {refused[name]}")
    checkpoint = opened.checkpoint
    return Evaluation(
        model=str(checkpoint.path),
        step=checkpoint.step,
        averaged=opened.averaged,
        against=against or str(opened.training.data),
        own=against in (None, opened.training.data),
        count=count,
        images=_counts(data, count),
        measures=found,
        refused=refused,
        asked=tuple(metrics or ()),
    )


def _counts(data: DataSet, count: int | None) -> dict[str, int]:
    return {
        "train": len(data.train),
        "held_out": min(count or len(data.held_out), len(data.held_out)),
        "samples": min(count or COUNT, len(data.train)),
    }
