"""Training a model: from what a person has in hand to a run on disk. `alae train` calls this and nothing else."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from alae_core import Backend, Config, load_backend
from alae_core.sizes import batch_sizes
from alae_workbench.data.source import DataSet
from alae_workbench.runs.observers import MetricsFile, Observer, TensorBoard
from alae_workbench.runs.plan import Data, Plan, plan
from alae_workbench.storage.directory import Summary


def train(
    config: str | Path | Config | None = None,
    *,
    data: Data | None = None,
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
    name, opened = (backend, None) if backend is None or isinstance(backend, str) else (backend.name, backend)
    with ExitStack() as stack:
        planned = plan(
            config,
            data=data,
            images=images,
            backend=name,
            steps=steps,
            overrides=overrides,
            out=out,
            resume=resume,
            other_data=other_data,
            skip_bad=skip_bad,
            hold=stack,
        )
        found = None if planned.needs_keras else planned.read()
        plugin = opened or load_backend(planned.backend, device, planned.experiment.config.precision)
        found = found or planned.read()
        from alae_workbench.runs.loop import Trainer

        text = "\n".join([_said(planned, found, plugin), *planned.reasons])
        trainer = Trainer(
            planned.run, planned.experiment, plugin, found, _told(observers), text=text, resume=planned.checkpoint
        )
        if resume is None:
            # Only now: what was refused has left nothing behind.
            stack.enter_context(planned.run.held())
        return trainer.train()


def _told(observers: Sequence[Observer] | None) -> list[Observer]:
    if observers is None:
        from alae_workbench.runs.progress import Terminal

        observers = [Terminal()]
    return [MetricsFile(), TensorBoard(), *observers]


def _said(planned: Plan, data: DataSet, plugin: Backend) -> str:
    skipped = f", {data.skipped} unreadable ones skipped" if data.skipped else ""
    batch, _ = max(batch_sizes(planned.experiment.config))
    often = f"\na batch of {batch:,} shows each of them more than once" if batch > len(data.train) else ""
    taken = f", taken {data.taken}" if data.taken else ""
    what = f"{planned.what}, {len(data.train):,} images{taken}{skipped}"
    return f"{planned.run.path}: {what}; {plugin.name} on {plugin.device}{often}"
