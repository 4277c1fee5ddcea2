"""Training a model: from what a person has in hand to a run on disk. `alae train` calls this and nothing else."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from alae_core import AlaeError, ArgumentError, Backend, Checkpoint, Config, load_backend, load_checkpoint, load_config
from alae_core.backend import default_backend, find_backend
from alae_core.config import RUN
from alae_core.sizes import batch_sizes, require_room
from alae_workbench.data.source import DataError, DataSet, Source
from alae_workbench.data.sources import as_data_set, as_source, load_data, needs_keras
from alae_workbench.data.survey import survey, survey_of
from alae_workbench.experiment import Experiment, changed, load_experiment, resumed
from alae_workbench.observers import MetricsFile, Observer, TensorBoard
from alae_workbench.proposal import IMAGES, Proposal, propose
from alae_workbench.run import Run, Summary

#: what is trained where nobody says
DEFAULT = "digits-mlp"


def train(
    config: str | Path | Config | None = None,
    *,
    data: str | Path | np.ndarray | Source | DataSet | None = None,
    images: int | None = None,
    backend: str | Backend | None = None,
    device: str | None = None,
    steps: int | None = None,
    overrides: Mapping[str, Any] | None = None,
    out: str | Path | None = None,
    resume: str | Path | None = None,
    other_data: bool = False,
    skip_bad: bool = False,
    observers: Sequence[Observer] | None = None,
) -> Summary:
    """Train a model, and write its run: configuration, metrics, grids, checkpoints, and what it came to.

    Whatever can be refused without a framework is refused before one is imported. Ctrl-C and SIGTERM save and stop.

    Args:
        config: a preset's name, a YAML file, or a configuration in hand; by default `digits-mlp`, or where `data` is
            given and does not fit that, the one that `proposal.propose` makes for it.
        data: what to train on, as `training.data` names it; or images in hand: uint8 (count, H, W, C) or a `Source`, of
            which `training.held_out` are kept out, or a `DataSet`. By default what the configuration or run says.
        images: how many images a configuration that is made for `data` shows in training; by default a million.
        backend: a plug-in's name, or one that is open; by default KERAS_BACKEND, or the first framework installed.
        device: "cpu", "gpu:1", …; by default the accelerator where there is one.
        steps: training steps in all, `training.steps`.
        overrides: new values by dotted key, of configuration and training alike.
        out: the run's directory: new, empty, or of a run that was killed before its first checkpoint; by default the
            first free one of runs/CONFIG-BACKEND.
        resume: a run or one of its checkpoints to go on from in the run's own directory, exactly as if it had never
            stopped, on any backend. A run that was killed before its first checkpoint starts over.
        other_data: go on even if the images are not those that the run began with.
        skip_bad: go on without unreadable images of a folder, and count them.
        observers: who is told how it goes, besides the run's own files; by default a `progress.Terminal`.

    Raises:
        AlaeError: what was given is wrong, or does not fit together; ConfigError, DataError, BackendError and
            CheckpointError are of this kind. DivergedError where a loss or weight became NaN or infinite.
    """
    choices, in_hand = dict(overrides or {}), None
    if isinstance(data, (str, Path)):
        choices["training.data"] = str(data)
    elif data is not None:
        # What was in somebody's hand has no name to be found by again.
        choices["training.data"], in_hand = None, data
    if steps is not None:
        choices["training.steps"] = steps
    with ExitStack() as stack:
        run = None
        if resume is not None:
            if config is not None or out is not None:
                raise AlaeError(
                    f"{resume} goes on with its own configuration, in its own directory: give no config and no out"
                )
            run = _resumed_run(Path(resume))
            # Before the checkpoint is read: nobody writes a newer one from here on.
            stack.enter_context(run.held())
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
        opened = None if backend is None or isinstance(backend, str) else backend
        name = opened.name if opened else str(backend or default_backend())
        find_backend(name)
        if run is None:
            called = f"{_name(config, data if proposal else None)}-{name}"
            run = Run.free(called) if out is None else Run.new(Path(out))

        def read() -> DataSet:
            found = _images(in_hand, experiment, skip_bad)
            if checkpoint and not other_data:
                require_same_data(checkpoint, found)
            return found

        # Keras' own data sets import Keras, which must find its framework chosen.
        late = in_hand is None and needs_keras(experiment.training.data or "")
        found = None if late else read()
        plugin = opened or load_backend(name, device, experiment.config.precision)
        found = found or read()
        from alae_workbench.trainer import Trainer

        what = str(experiment.training.data) if in_hand is None else "images in hand"
        text = "\n".join([_said(run, what, found, plugin, experiment), *(proposal.reasons if proposal else ())])
        trainer = Trainer(run, experiment, plugin, found, _told(observers), text=text, resume=checkpoint)
        if resume is None:
            # Only now: what was refused has left nothing behind.
            stack.enter_context(run.held())
        return trainer.train()


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


def _experiment(config: str | Path | Config | None, overrides: Mapping[str, Any]) -> Experiment:
    if isinstance(config, Config):
        return changed(config, None, overrides, "the configuration")
    return load_experiment(DEFAULT if config is None else config, overrides)


def _proposal(data: str | Path | np.ndarray | Source | DataSet | None, images: int | None) -> Proposal | None:
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


def _told(observers: Sequence[Observer] | None) -> list[Observer]:
    if observers is None:
        from alae_workbench.progress import Terminal

        observers = [Terminal()]
    return [MetricsFile(), TensorBoard(), *observers]


def _said(run: Run, what: str, data: DataSet, plugin: Backend, experiment: Experiment) -> str:
    skipped = f", {data.skipped} unreadable ones skipped" if data.skipped else ""
    batch, _ = max(batch_sizes(experiment.config))
    often = f"\na batch of {batch:,} shows each of them more than once" if batch > len(data.train) else ""
    return f"{run.path}: {what}, {len(data.train):,} images{skipped}; {plugin.name} on {plugin.device}{often}"


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
    return load_data(training.data, config, margin=training.margin, held_out=training.held_out, skip_bad=skip_bad)
