"""The output of `alae train --dry-run`."""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from alae_core import Config
from alae_core._support.text import count_things
from alae_core.growth import stretches
from alae_core.lookup import find_algorithm
from alae_core.passes import count_passes
from alae_core.sizes import count_weights, find_memory, format_bytes
from alae_workbench.data.labels import describe_origin, is_labelled
from alae_workbench.data.source import DataSet, format_shape
from alae_workbench.runs.out_of_memory import explain_out_of_memory
from alae_workbench.runs.pace import format_duration, name_level
from alae_workbench.runs.plan import Plan, plan
from alae_workbench.runs.request import RunRequest
from alae_workbench.runs.settings import describe_resumption
from alae_workbench.runs.train import make_trainer
from alae_workbench.runs.verdict import judge_data

if TYPE_CHECKING:
    from alae_workbench.runs.trial import Trial

_SOURCES = {
    "steps": "measured with real steps",
    "passes": "estimated from forward passes, because compiling a step takes longer than a dry run should",
}


def describe(request: RunRequest) -> str:
    """Describe a run in lines of text: configuration, images, steps, time, memory, and a verdict on the images.

    Writes nothing. Reads the images and builds the model, so it refuses everything that `train.train` would refuse, and
    measures for about half a minute (`trial.take_trial`).

    Raises AlaeError as `train.train`.
    """
    chosen = plan(request)
    # On one device, in one process.
    trainer = make_trainer(request, replace(chosen, spread=None))
    # This imports Keras, which uses the framework loaded above.
    from alae_workbench.runs.trial import take_trial

    experiment, data = chosen.experiment, trainer.data
    with explain_out_of_memory(trainer):
        trial = take_trial(trainer)
    lines = [
        experiment.to_yaml(),
        *chosen.reasons,
        *_describe_data(chosen.data_name, data),
        *_describe_steps(chosen),
        *_describe_weights(experiment.config),
        *_describe_trial(trial, trainer.runner.backend.device),
        *judge_data(experiment, len(data.train), len(data.held_out)),
        f"dry run: nothing was written to {chosen.run.path}",
    ]
    return "\n".join(lines)


def _describe_data(name: str, data: DataSet) -> Iterator[str]:
    labels, classes = data.train.labels, ""
    if labels is not None:
        number = len(np.unique(labels[is_labelled(labels)]))
        classes = f", {number} classes" if labels.ndim == 1 else f", {labels.shape[1]} attributes each"
    images = f"{count_things(len(data.train), 'training image')} of {format_shape(data.train.shape)}{classes}"
    yield f"data: {name}, {images}, {len(data.held_out):,} held out{data.describe_reading()}"
    yield from describe_origin(data)


def _describe_steps(plan: Plan) -> Iterator[str]:
    start, end = plan.checkpoint.step if plan.checkpoint else 0, plan.experiment.steps
    microbatch = plan.experiment.training.microbatch
    for stage, first, after in stretches(plan.experiment.config, start, end):
        level = "" if stage.lod is None else f" at {name_level(stage)}"
        passes = count_passes(stage.batch_size, microbatch)
        divided = f" in {passes:,} passes of {microbatch:,}" if passes > 1 else ""
        yield (
            f"{count_things(after - first, 'step')}{level}: {count_things(stage.batch_size, 'image')} each{divided}, "
            f"learning rate {stage.adam.learning_rate:g}"
        )
    resumed = f", resuming at step {start:,}, after {sum(plan.checkpoint.shown):,} images" if plan.checkpoint else ""
    yield f"{count_things(end, 'step')} in all{resumed}, on {plan.backend}"
    if plan.checkpoint:
        yield from describe_resumption(plan.checkpoint, plan.experiment)


def _describe_weights(config: Config) -> Iterator[str]:
    count = count_weights(config)
    others = [name for name in find_algorithm(config.algorithm, config.plugins).networks if name not in count]
    if count:
        networks = ", ".join(f"{name} {size:,}" for name, size in count.items())
        end = f"not counting {', '.join(others)} (known once they are built)" if others else "in all"
        yield f"weights: {networks}: {sum(count.values()):,} {end}"


def _describe_trial(trial: "Trial", device: str) -> Iterator[str]:
    finest = trial.levels[-1]
    level = "" if finest.stage.lod is None else f" at {name_level(finest.stage)}"
    coarser = "; coarser levels in proportion to their arithmetic" if len(trial.levels) > 1 else ""
    yield (
        f"time: about {format_duration(trial.seconds)} on {device}, {format_duration(trial.compiling)} of it to "
        f"compile, besides grids and measures: {finest.seconds:.3g} s per step{level}, {_SOURCES[finest.source]}"
        f"{coarser}"
    )
    if trial.memory is not None:
        room = find_memory()
        available = "" if room is None else f" of the {format_bytes(room)} available"
        yield f"memory: about {format_bytes(trial.memory)}{available} at the peak of the process, framework included"
