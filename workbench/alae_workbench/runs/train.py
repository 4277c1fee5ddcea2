"""Train a model from a request, and write its run to disk. `alae train` and notebooks call this."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alae_core import Backend, Checkpoint, Config, Runner, load_backend
from alae_core._support.text import count_things
from alae_core.shares import require_division
from alae_core.sizes import list_batch_sizes
from alae_core.spread import count_devices, find_peers
from alae_core.transfer import match_weights, take_over
from alae_workbench.data.labels import describe_origin
from alae_workbench.data.source import DataSet
from alae_workbench.runs.devices import find_rank
from alae_workbench.runs.observers import MetricsFile, Observer, TensorBoard
from alae_workbench.runs.origin import OpenedOrigin, require_fit
from alae_workbench.runs.out_of_memory import explain_out_of_memory
from alae_workbench.runs.plan import Plan, find_resumed_run, plan
from alae_workbench.runs.request import AUTO, RunRequest
from alae_workbench.runs.settings import describe_resumption
from alae_workbench.runs.stop_signal import Stop
from alae_workbench.storage.directory import Run, Summary

if TYPE_CHECKING:
    from alae_workbench.runs.follower import Follower
    from alae_workbench.runs.loop import Trainer


def train(
    request: RunRequest | str | Path | Config | None = None,
    *,
    observers: Sequence[Observer] | None = None,
    stop: Stop | None = None,
    **fields: Any,
) -> Summary:
    """Train a model, and write its run: configuration, metrics, grids, checkpoints and summary.

    `train("digits-mlp", steps=100)` is short for `train(RunRequest(config="digits-mlp", steps=100))`. Everything that
    can be refused without a framework is refused before one is imported. Ctrl-C and SIGTERM save and stop.

    Args:
        request: a request; or a `config`, from which a request is made together with `fields`.
        observers: receive the run's events, besides the run's own files; by default a
            `notebook.Notebook` in notebooks, and a `progress.Terminal` elsewhere.
        stop: lets another thread save and end the run; Ctrl-C and SIGTERM are then the caller's.
        fields: the other fields of a `RunRequest`, only if `request` is not one.

    Raises:
        AlaeError: a choice is wrong, or choices do not fit together: ConfigError, DataError, BackendError,
            CheckpointError and others. DivergedError if a loss or weight becomes NaN or infinite; PeerError if another
            process of the run is lost. Also if the device has too little memory for a step: the message names a smaller
            `training.microbatch`.
        TypeError: a field is unknown to `RunRequest`.
    """
    if not isinstance(request, RunRequest):
        request = RunRequest(**{"config": request, **fields})
    elif fields:
        raise TypeError(f"{', '.join(fields)}: set fields in the request itself")
    observers = _choose_observers(observers)
    stop = stop or Stop(catches_signals=True)
    # One process of several writes the run.
    writes = find_rank(request) == 0
    with ExitStack() as stack:
        run = find_resumed_run(request)
        if run and writes:
            # Lock before reading the checkpoint, so that another process cannot continue the run meanwhile.
            stack.enter_context(run.lock())
        chosen = plan(request)
        steps, checkpoint = chosen.experiment.steps, chosen.checkpoint
        if request.resume == AUTO and checkpoint and checkpoint.step >= steps:
            return _report_finished(chosen.run, checkpoint, steps, observers if writes else ())
        if run:
            # Only this object has the lock.
            chosen = replace(chosen, run=run)
        observers = [MetricsFile(), TensorBoard(), *observers]
        if not writes:
            return _make_follower(request, chosen, stop).train()
        trainer = make_trainer(request, chosen, observers, stop)
        if not run:
            # Lock only now, so that a refused request leaves no files behind.
            stack.enter_context(chosen.run.lock())
        with explain_out_of_memory(trainer):
            summary = trainer.train()
    stop.announce_end(128 + stop.signal if stop.signal else 0)
    return summary


def make_trainer(
    request: RunRequest, chosen: Plan, observers: Sequence[Observer] = (), stop: Stop | None = None
) -> "Trainer":
    """Read the images of a planned run, open its backend, and build its model; nothing is written.

    Raises AlaeError as `train` does.
    """
    stop = stop or Stop(catches_signals=True)
    backend, data = _open(request, chosen, stop)
    # This imports Keras, which uses the framework loaded above.
    from alae_workbench.runs.loop import Trainer

    text = "\n".join([_describe_run(chosen, data, backend), *chosen.reasons])
    trainer = Trainer(
        chosen.run, chosen.experiment, backend, data, observers, text=text, resume=chosen.checkpoint, stop=stop
    )
    if chosen.origin:
        _start_from(chosen.origin, trainer.runner)
    return trainer


def _start_from(origin: OpenedOrigin, runner: Runner) -> None:
    """Load the weights of `origin` into a new run. Raises CheckpointError as `origin.require_fit`."""
    checkpoint, initial, config = origin.checkpoint, runner.state(), runner.model.config
    shapes = {key.removeprefix("weights/"): a.shape for key, a in initial.items() if key.startswith("weights/")}
    if "w_mean" in initial:
        shapes["w_mean"] = initial["w_mean"].shape
    match = match_weights(checkpoint.state, checkpoint.config, config, shapes)
    require_fit(origin, match)
    runner.load(take_over(checkpoint.state, checkpoint.config, config, initial, match))


def _make_follower(request: RunRequest, chosen: Plan, stop: Stop) -> "Follower":
    backend, data = _open(request, chosen, stop)
    from alae_workbench.runs.follower import Follower

    follower = Follower(chosen.run, chosen.experiment, backend, data, resume=chosen.checkpoint, stop=stop)
    if chosen.origin:
        _start_from(chosen.origin, follower.runner)
    return follower


def _open(request: RunRequest, chosen: Plan, stop: Stop) -> tuple[Backend, DataSet]:
    """Open the backend of a planned run, join its other processes, and read its images."""
    data = None if chosen.needs_keras else chosen.read()
    backend = request.backend
    if backend is None or isinstance(backend, str):
        backend = load_backend(chosen.backend, request.device, chosen.experiment.config.precision, chosen.spread)
    if peers := find_peers(backend):
        stop.join(peers)
    require_division(chosen.experiment.config, count_devices(backend))
    return backend, data or chosen.read()


def _choose_observers(observers: Sequence[Observer] | None) -> Sequence[Observer]:
    if observers is not None:
        return observers
    from alae_workbench.runs.notebook import Notebook, in_notebook
    from alae_workbench.runs.progress import Terminal

    return [Notebook() if in_notebook() else Terminal()]


def _report_finished(run: Run, checkpoint: Checkpoint, steps: int, observers: Sequence[Observer]) -> Summary:
    """Tell observers that the run has all steps. Returns its summary, without numbers if it was killed at its end."""
    for observer in observers:
        observer.on_note(f"{run.path} is finished: {checkpoint.step:,} steps are done, {steps:,} were requested")
        observer.close()
    summary = run.read_summary()
    if summary is None or summary.step != checkpoint.step:
        grids = sorted(run.grids.glob("step-*.png"))
        summary = Summary(run.path, checkpoint.step, {}, {}, checkpoint.path, grids[-1] if grids else None)
    # A signal may have stopped the measures after the last step.
    return replace(summary, stopped_by=None)


def _describe_run(chosen: Plan, data: DataSet, backend: Backend) -> str:
    """Return lines about the run's directory, images, backend and device, first step, labels, and skipped files."""
    images = f"training on {chosen.data_name}, {count_things(len(data.train), 'image')}{data.describe_reading()}"
    start, steps = chosen.checkpoint.step if chosen.checkpoint else 0, chosen.experiment.steps
    resuming = ""
    if chosen.checkpoint and start:
        changes = "".join(f"\n{line}" for line in describe_resumption(chosen.checkpoint, chosen.experiment))
        resuming = f"\nresuming at step {start:,} of {steps:,}, after {sum(chosen.checkpoint.shown):,} images{changes}"
    batch = list_batch_sizes(chosen.experiment.config)[-1]
    repeats = f"\na batch of {batch:,} shows some images more than once" if batch > len(data.train) else ""
    labels = "".join(f"\n{line}" for line in describe_origin(data))
    count = count_devices(backend)
    devices = backend.device if count == 1 else f"{count} devices, the first of them {backend.device}"
    return f"{chosen.run.path}: {images}, with {backend.name} on {devices}{resuming}{labels}{repeats}"
