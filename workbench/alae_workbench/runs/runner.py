"""The runner of a training run, at its first or next step, and the batches that it takes."""

from typing import Any

from alae_core import ArgumentError, Backend, Checkpoint, Runner, build
from alae_core.backend import start_runner
from alae_core.shares import WHOLE
from alae_core.spread import find_peers
from alae_workbench.data.batches import batches
from alae_workbench.data.source import DataSet
from alae_workbench.runs.settings import Experiment
from alae_workbench.storage.directory import Run


def open_runner(run: Run, experiment: Experiment, backend: Backend, resume: Checkpoint | None) -> Runner:
    """Start a runner of a new model, or of the checkpoint `resume`, with the state that the first process has.

    Raises CheckpointError if the checkpoint does not fit the configuration; ArgumentError if it is at the last step.
    """
    runner = start_runner(backend, build(experiment.config), experiment.training.microbatch)
    if resume:
        runner.load(resume.state)
    if peers := find_peers(backend):
        runner.load(peers.share_state(runner.state()))
    if runner.step_number >= experiment.steps:
        raise ArgumentError(
            "steps",
            f"is {experiment.steps}, but {run.path} is already at step {runner.step_number}: choose more steps to "
            "resume it",
        )
    return runner


def read_batches(runner: Runner, experiment: Experiment, data: DataSet) -> Any:
    """Iterate over the runner's parts of the batches of its remaining steps.

    Returns an iterator of grain, which can be closed, so that its thread reads no further.
    """
    return batches(
        data.train,
        experiment.config,
        steps=experiment.steps,
        start=runner.step_number,
        mirror=experiment.training.mirror,
        # Only runners of several processes have parts.
        share=getattr(runner, "share", WHOLE),
        put=runner.put,
    )
