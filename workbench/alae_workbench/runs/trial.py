"""A trial of a planned run: estimates of its time and memory from a short measurement.

Compiling a training step of style networks takes minutes under JAX. So a trial first times one forward pass of E and
one of G, which compile in seconds. It takes real steps only if compiling one is likely to fit into the remaining time;
otherwise it multiplies the times of the passes by the factors below.
"""

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import lcm
from statistics import median
from typing import TYPE_CHECKING, Literal

import numpy as np

from alae_core import View
from alae_core.growth import Stage, stretches
from alae_core.passes import count_passes
from alae_core.sizes import largest_layers
from alae_workbench.data.batches import batches
from alae_workbench.evaluation.subject import Subject
from alae_workbench.runs.pace import count_multiplications

if TYPE_CHECKING:
    from alae_workbench.runs.loop import Trainer

#: seconds after which a trial begins no further measurement
BUDGET = 30.0

# A training step takes about as long as these numbers of forward passes. Measured with `photos-style` on JAX and
# PyTorch, where the steps of single levels took 0.8 to 1.4 times as long as this.
_PASSES_OF_E, _PASSES_OF_G = 10.0, 4.5
# Compiling a step takes about this many times as long, and this many times the memory, as compiling both passes.
_COMPILE_SECONDS, _COMPILE_MEMORY = 8.0, 6.5
# Arrays of the size of each feature map that a step keeps for its gradients, in G and E together.
_KEPT_MAPS = 16
# Steps or passes that are timed after the first one, which compiles; fewer if they take longer than these seconds.
_TIMED, _TIMED_SECONDS = 20, 4.0


@dataclass(frozen=True)
class LevelEstimate:
    """The steps of one level.

    Attributes:
        stage: the level's settings.
        count: number of steps.
        seconds: duration of one step.
        source: real steps, forward passes, or the arithmetic of this level relative to a level that was measured.
    """

    stage: Stage
    count: int
    seconds: float
    source: Literal["steps", "passes", "arithmetic"]


@dataclass(frozen=True)
class Trial:
    """Estimates for a run.

    Attributes:
        levels: its levels, coarsest first.
        compiling: seconds of compilation, for all levels.
        memory: peak resident memory of the process in bytes, including the framework; None if the operating system
            does not report it. The memory of a GPU is not counted.
    """

    levels: tuple[LevelEstimate, ...]
    compiling: float
    memory: int | None

    @property
    def seconds(self) -> float:
        """Duration of the run, without grids and measures."""
        return self.compiling + sum(level.count * level.seconds for level in self.levels)


def take_trial(trainer: "Trainer", budget: float = BUDGET) -> Trial:
    """Estimate the time and memory of a run. Takes real steps of `trainer`, which must not train afterwards.

    Only the finest level is measured, because it takes most of the time and memory.

    Args:
        trainer: the run.
        budget: seconds after which no measurement begins; one that has begun is completed.
    """
    began, before = time.monotonic(), measure_peak_memory()
    stages = list(stretches(trainer.config, trainer.step, trainer.steps))
    stage, first, end = stages[-1]
    activations = _estimate_activations(trainer, stage)
    source: Literal["steps", "passes"] = "steps"
    compiling = seconds = 0.0
    passes_memory = 0
    if trainer.runner.model.has("GE"):
        compiling, seconds = _time_passes(trainer, stage)
        passes_memory = measure_peak_memory() - before
    if time.monotonic() - began + compiling + 3 * seconds <= budget:
        # A step with an update that runs at every k-th step is a program of its own.
        period = min(lcm(*(update.every for update in trainer.runner.model.updates)), end - first)
        first_seconds, seconds = _time_calls(_take_steps(trainer, first, end), period)
        compiling = max(0.0, first_seconds - period * seconds)
        # Levels share no compiled code; each coarser one keeps about half of the memory that the finest one takes.
        of_level = max(0, measure_peak_memory() - before - activations)
        memory = measure_peak_memory() + (len(stages) - 1) * of_level // 2
    else:
        source = "passes"
        memory = before + int(_COMPILE_MEMORY * passes_memory * len(stages)) + activations
    # To write a checkpoint, the state is copied to the host, and then to one string of bytes.
    memory += 2 * sum(array.nbytes for array in trainer.runner.state().values())
    per_multiplication = seconds / count_multiplications(trainer.config, stage)
    levels = tuple(
        LevelEstimate(
            other, after - start, per_multiplication * count_multiplications(trainer.config, other), "arithmetic"
        )
        for other, start, after in stages[:-1]
    )
    return Trial(
        (*levels, LevelEstimate(stage, end - first, seconds, source)),
        compiling * len(stages),
        memory if before else None,
    )


def measure_peak_memory() -> int:
    """Return the peak resident memory of this process so far, in bytes; 0 if the operating system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _time_passes(trainer: "Trainer", stage: Stage) -> tuple[float, float]:
    """Time forward passes of E and G on one batch. Returns the estimated seconds of compiling a step, and of a step."""
    model, train = trainer.runner.model, trainer.data.train
    # During a fade-in, a level computes the images of two levels.
    view = View(stage.lod, 0.5) if stage.lod else model.view and View(0)
    count = min(stage.batch_size, model.batch_size(view), len(train))
    x, labels = next(Subject(model, trainer.data, view).batches(train, count))

    def repeat(call: Callable[[], object]) -> Iterator[object]:
        return (call() for _ in range(1 + _TIMED))

    w = np.zeros((len(x), model.config.networks.w), x.dtype)
    encoding = _time_calls(repeat(lambda: model.encode(x, view, labels=labels)))
    generating = _time_calls(repeat(lambda: model.generate(w, view, noise="none", labels=labels)))
    compiling = max(0.0, encoding[0] - encoding[1]) + max(0.0, generating[0] - generating[1])
    seconds = _PASSES_OF_E * encoding[1] + _PASSES_OF_G * generating[1]
    return _COMPILE_SECONDS * compiling, seconds * stage.batch_size / len(x)


def _count_maps(trainer: "Trainer", stage: Stage) -> list[int]:
    """Return the numbers in the largest feature maps of one image, for each level up to that of `stage`."""
    return largest_layers(trainer.config)[: 1 if stage.lod is None else stage.lod + 1]


def _estimate_activations(trainer: "Trainer", stage: Stage) -> int:
    """Return the bytes that one pass of a step keeps for its gradients."""
    size = 8 if trainer.config.dtype == "float64" else 4
    images = stage.batch_size // count_passes(stage.batch_size, trainer.training.microbatch)
    return _KEPT_MAPS * size * images * sum(_count_maps(trainer, stage))


def _take_steps(trainer: "Trainer", first: int, end: int) -> Iterator[None]:
    """Take the steps of one level, up to `_TIMED` + 1 of them."""
    runner = trainer.runner
    state = runner.state()
    runner.load({**state, "step": np.asarray(first, state["step"].dtype)})
    for batch in batches(
        trainer.data.train,
        trainer.config,
        steps=min(end, first + 1 + _TIMED),
        start=first,
        mirror=trainer.training.mirror,
        put=runner.put,
    ):
        # Reading the losses waits for the step.
        _ = dict(runner.step(batch))
        yield


def _time_calls(calls: Iterator[object], period: int = 1) -> tuple[float, float]:
    """Return the seconds of the first `period` calls, which compile, and of one later call: the median over periods."""
    clocks = [time.perf_counter()]
    for count, _ in enumerate(calls, 1):
        if count % period == 0:
            clocks.append(time.perf_counter())
            if len(clocks) > 2 and clocks[-1] - clocks[1] > _TIMED_SECONDS:
                break
    durations = np.diff(clocks)
    return float(durations[0]), float(median(durations[1:] if len(durations) > 1 else durations)) / period
