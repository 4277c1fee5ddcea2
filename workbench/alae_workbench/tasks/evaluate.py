"""`alae evaluate`: measure a model."""

from collections.abc import Sequence
from pathlib import Path

from alae_workbench.evaluation.cache import Progress, no_progress
from alae_workbench.evaluation.evaluate import evaluate as measure
from alae_workbench.evaluation.records import Evaluation, record_evaluation
from alae_workbench.models.shipped import SHIPPED
from alae_workbench.tasks.load import Model, load


def evaluate(
    model: Model,
    measures: str | Sequence[str] | None = None,
    *,
    data: str | Path | None = None,
    labels: str | None = None,
    count: int | None = None,
    weights: str | Path | None = None,
    record: bool = True,
    progress: Progress = no_progress,
) -> Evaluation:
    """Measure a model. Notebooks show a table; `rows()` of the result are for `pandas.DataFrame`.

    Args:
        model: see `load`.
        measures: names of measures or groups (`alae measures` lists them); by default all that need no large network.
        data: SOURCE of images, as for `train`; by default the run's own.
        labels: which labels of the images are used: a file, array or column, `folders` or `none`; by default those of
            the run, or for other images the first that docs/data.md lists.
        count: maximum number of z, held-out images and samples; by default all, and 10,000 samples.
        weights: folder of the weights of Inception and LPIPS, where missing files are downloaded to; by default
            `weights` in the cache.
        record: whether to write the values into the run's directory, for `compare`.
        progress: reports how computations advance.

    Raises:
        AlaeError: a name is unknown, or a measure of `measures` has no value.
        DataError: the images cannot be found or do not fit the model.
    """
    opened = load(model)
    evaluation = measure(
        opened,
        [measures] if isinstance(measures, str) else measures,
        data=None if data is None else str(data),
        labels=labels,
        limit=count,
        weights=None if weights is None else Path(weights),
        progress=progress,
    )
    if record and (opened.run is None or opened.run.path != SHIPPED):
        record_evaluation(evaluation)
    return evaluation
