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
        data: SOURCE of images, as for `train`; by default the run's own. Images that the model was not trained on are
            divided like those of its training, but at most half are held out.
        labels: which labels of the images are used: a file, array or column, `folders` or `none`; by default those of
            the run, or for other images the first that docs/data.md lists.
        count: maximum number of z, held-out images and samples; by default all, and 10,000 samples.
        weights: folder of the weights of Inception and LPIPS, where missing files are downloaded to; by default
            `weights` in the cache.
        record: whether to write the values into the run's directory, for `compare`; a line says if it is read-only.
        progress: reports how computations advance.

    Raises:
        AlaeError: a name is unknown, or no measure that one of `measures` selects has a value.
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
    if record:
        path, reason = record_if_possible(evaluation)
        if path is None and opened.run is not None:
            print(reason)
    return evaluation


def record_if_possible(evaluation: Evaluation) -> tuple[Path | None, str]:
    """Write an evaluation into its run's directory.

    Returns the file; or None and why it was not written: the model is not in a run directory, or the run cannot be
    changed.
    """
    try:
        path = None if Path(evaluation.model).is_relative_to(SHIPPED) else record_evaluation(evaluation)
    except OSError as error:
        return None, f"the values are not recorded in the run: {error.filename}: {error.strerror or error}"
    return path, "" if path else "the values are not recorded, because the model is not in a run directory"
