"""A process of a run on several devices other than the first: it takes its part in each step, and writes nothing."""

from contextlib import closing, nullcontext

from alae_core import Backend, Checkpoint, Losses
from alae_workbench.data.source import DataSet
from alae_workbench.runs.runner import open_runner, read_batches
from alae_workbench.runs.settings import Experiment
from alae_workbench.runs.stop_signal import Stop
from alae_workbench.storage.directory import Run, Summary


class Follower:
    """Takes the steps of a run together with the first process, which has a `Trainer`.

    Arguments and errors are those of `Trainer`.
    """

    def __init__(
        self,
        run: Run,
        experiment: Experiment,
        backend: Backend,
        data: DataSet,
        *,
        resume: Checkpoint | None,
        stop: Stop,
    ) -> None:
        self.run, self.experiment, self.data = run, experiment, data
        self.runner = open_runner(run, experiment, backend, resume)
        self._stop = stop

    def train(self) -> Summary:
        """Take the remaining steps, and wait until the first process has measured and saved. Returns the last losses.

        If the first process ends the run before, it ends this process too.
        """
        losses = Losses({})
        recording = self._stop.recording() if self._stop.catches_signals else nullcontext()
        with closing(read_batches(self.runner, self.experiment, self.data)) as source, recording:
            for batch in source:
                losses |= self.runner.step(batch)
        self._stop.await_end()
        return Summary(self.run.path, self.runner.step_number, dict(losses), {}, self.run.checkpoints, None)
