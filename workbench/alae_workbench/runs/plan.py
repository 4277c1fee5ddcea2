"""What a run will do, decided and checked before any framework is imported, and as text before any step is taken."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from alae_core import AlaeError, ArgumentError, Checkpoint, Config, load_backend, load_checkpoint, load_config
from alae_core.config import RUN
from alae_core.growth import stretches
from alae_core.plugins import default_backend, find_backend
from alae_core.sizes import amount, needs, require_room, weights
from alae_workbench.data.load import as_data_set, as_source, load_data, needs_keras
from alae_workbench.data.source import DataError, DataSet, Source, by
from alae_workbench.data.survey import survey, survey_of
from alae_workbench.runs.proposal import IMAGES, Proposal, propose
from alae_workbench.runs.settings import Experiment, changed, load_experiment, resumed
from alae_workbench.storage.directory import Run

#: what is trained where nobody says
DEFAULT = "digits-mlp"
#: what a person trains on, by name, by path or in hand
Data = str | Path | np.ndarray | Source | DataSet


@dataclass(frozen=True)
class Plan:
    """What a run will do.

    Attributes:
        run: where it is written; nothing is there yet, or what it goes on from.
        experiment: the configuration and how the training goes.
        backend: the name of the plug-in that computes.
        what: what it trains on, in words.
        read: reads the images. Raises DataError where they cannot be read or do not fit the configuration, and
            ArgumentError where they are not those that the run began with.
        needs_keras: whether `read` imports Keras, which must find its framework chosen.
        checkpoint: what it goes on from.
        reasons: why a configuration that was made for the images is as it is, a line each.
    """

    run: Run
    experiment: Experiment
    backend: str
    what: str
    read: Callable[[], DataSet]
    needs_keras: bool
    checkpoint: Checkpoint | None = None
    reasons: Sequence[str] = ()

    def described(self) -> str:
        """The whole configuration, the images, the levels with their steps, and what all takes: lines of text.

        Reads the images, and raises DataError as `read` does.
        """
        if self.needs_keras:
            load_backend(self.backend)
        config = self.experiment.config
        lines = [_of_data(self.what, self.read()), *_of_steps(self), *_of_weights(config), _of_memory(config)]
        where = f"{self.run.path} is where it would be written; no step was taken"
        return "\n".join([self.experiment.to_yaml(), *self.reasons, *lines, where])


def plan(
    config: str | Path | Config | None = None,
    *,
    data: Data | None = None,
    images: int | None = None,
    backend: str | None = None,
    steps: int | None = None,
    overrides: Mapping[str, Any] | None = None,
    out: str | Path | None = None,
    resume: str | Path | None = None,
    other_data: bool = False,
    skip_bad: bool = False,
    hold: ExitStack | None = None,
) -> Plan:
    """Decide what a run will do; nothing is written.

    Args:
        config, data, images, backend, steps, overrides, out, resume, other_data, skip_bad: see `training.train`.
        hold: keeps others from training in a run that is gone on with, from before its checkpoint is read.

    Raises AlaeError as `training.train` does, for whatever can be refused without a framework.
    """
    choices, in_hand = dict(overrides or {}), None
    if isinstance(data, (str, Path)):
        choices["training.data"] = str(data)
    elif data is not None:
        # What was in somebody's hand has no name to be found by again.
        choices["training.data"], in_hand = None, data
    if steps is not None:
        choices["training.steps"] = steps
    run = None
    if resume is not None:
        if config is not None or out is not None:
            raise AlaeError(
                f"{resume} goes on with its own configuration, in its own directory: give no config and no out"
            )
        run = _resumed_run(Path(resume))
        if hold:
            hold.enter_context(run.held())
    # Killed before its first checkpoint, a run starts over.
    over = run is not None and run.unstarted
    checkpoint = load_checkpoint(resume) if resume is not None and not over else None
    proposal = None if run or config is not None else _proposal(data, images)
    if images is not None and not proposal:
        raise ArgumentError("images", "is for a configuration made for the data: another has a schedule of its own")
    if checkpoint:
        experiment = resumed(checkpoint, choices)
    elif proposal:
        made = proposal.experiment
        experiment = changed(made.config, made.training.model_dump(), choices, made.config.description)
    else:
        experiment = _experiment(run.config if run else config, choices)
    require_room(experiment.config, training=True)
    name = str(backend or default_backend())
    find_backend(name)
    if run is None:
        called = f"{_name(config, data if proposal else None)}-{name}"
        run = Run.free(called) if out is None else Run.new(Path(out))

    def read() -> DataSet:
        found = _images(in_hand, experiment, skip_bad)
        if checkpoint and not other_data:
            require_same_data(checkpoint, found)
        return found

    return Plan(
        run,
        experiment,
        name,
        str(experiment.training.data) if in_hand is None else "images in hand",
        read,
        in_hand is None and needs_keras(experiment.training.data or ""),
        checkpoint,
        proposal.reasons if proposal else (),
    )


def require_same_data(checkpoint: Checkpoint, data: DataSet) -> None:
    """Raise ArgumentError where a checkpoint records that it was trained on other images than `data`.

    A checkpoint of an older alae, or of the authors, records nothing, and goes on with any.
    """
    recorded = checkpoint.run.get("data")
    if recorded not in (None, data.fingerprint):
        raise ArgumentError(
            "other_data",
            f"is not set, but the run was trained on other images than these: their fingerprint was "
            f"{str(recorded)[:12]}…, that of these is {data.fingerprint[:12]}…",
        )


def _of_data(what: str, data: DataSet) -> str:
    skipped = f", {data.skipped:,} unreadable ones left out" if data.skipped else ""
    taken = f", taken {data.taken}" if data.taken else ""
    labels, classes = data.train.labels, ""
    if labels is not None:
        classes = f", {len(np.unique(labels))} classes" if labels.ndim == 1 else f", {labels.shape[1]} attributes each"
    return (
        f"data: {what}, {len(data.train):,} images of {by(data.train.shape)}{classes}, "
        f"and {len(data.held_out):,} kept out of training{taken}{skipped}"
    )


def _of_steps(planned: Plan) -> Iterator[str]:
    start, end = planned.checkpoint.step if planned.checkpoint else 0, planned.experiment.steps
    for stage, first, after in stretches(planned.experiment.config, start, end):
        level = "" if stage.lod is None else f" at {4 * 2**stage.lod}×{4 * 2**stage.lod}"
        pace = f"{stage.batch_size:,} images each, learning rate {stage.adam.learning_rate:g}"
        yield f"{after - first:,} steps{level}: {pace}"
    gone_on = f", going on from {start:,}" if start else ""
    yield f"{end:,} steps in all{gone_on}, by {planned.backend}"


def _of_weights(config: Config) -> Iterator[str]:
    count = weights(config)
    if count:
        each = ", ".join(f"{name} {size:,}" for name, size in count.items())
        yield f"weights: {each}: {sum(count.values()):,} in all"


def _of_memory(config: Config) -> str:
    needed = needs(config, training=True)
    each = ", ".join(f"{what} {amount(size)}" for what, size in needed.items())
    return f"memory: {amount(sum(needed.values()))} at least, without what layers keep for gradients: {each}"


def _experiment(config: str | Path | Config | None, overrides: Mapping[str, Any]) -> Experiment:
    if isinstance(config, Config):
        return changed(config, None, overrides, "the configuration")
    return load_experiment(DEFAULT if config is None else config, overrides)


def _proposal(data: Data | None, images: int | None) -> Proposal | None:
    """A configuration made for the data; None where the default's images are just like these, or nobody can tell."""
    if data is None or data == "digits" or (isinstance(data, str) and needs_keras(data)):
        return None
    if isinstance(data, (str, Path)):
        found = survey(str(data))
    else:
        found = survey_of(data.train if isinstance(data, DataSet) else as_source(data), "the images in hand")
    height, width, channels = load_config(DEFAULT).image
    if found.fixed == (height, width) and found.channels == channels:
        return None
    return propose(found, images=IMAGES if images is None else images)


def _name(config: str | Path | Config | None, data: Any) -> str:
    """What the run is called after."""
    known = next((each for each in (config, data) if isinstance(each, (str, Path))), DEFAULT)
    return Path(known).expanduser().resolve().stem if known is data else Path(known).stem


def _resumed_run(resume: Path) -> Run:
    try:
        return Run.of(resume)
    except AlaeError:
        # What is no checkpoint either is told so.
        load_checkpoint(resume)
        raise


def _images(in_hand: np.ndarray | Source | DataSet | None, experiment: Experiment, skip_bad: bool) -> DataSet:
    config, training = experiment.config, experiment.training
    if in_hand is not None:
        return as_data_set(in_hand, config, held_out=training.held_out, margin=training.margin)
    if training.data is None:
        raise DataError(f"nothing says what to train on: name a data set or a path, or set {RUN}.data")
    return load_data(
        training.data, config, margin=training.margin, fit=training.fit, held_out=training.held_out, skip_bad=skip_bad
    )
