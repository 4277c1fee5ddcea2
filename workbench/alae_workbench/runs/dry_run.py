"""The output of `alae train --dry-run`."""

from collections.abc import Iterator

import numpy as np

from alae_core import Config, load_backend
from alae_core.growth import stretches
from alae_core.lookup import find_algorithm
from alae_core.sizes import count_weights, estimate_memory, format_bytes
from alae_workbench.data.source import DataSet, format_shape
from alae_workbench.runs.plan import Plan


def describe(plan: Plan) -> str:
    """Describe the whole configuration, the images, the steps of each level, and the memory needed, in lines of text.

    Reads the images. Raises DataError and ArgumentError as `plan.read` does.
    """
    if plan.needs_keras:
        load_backend(plan.backend)
    config = plan.experiment.config
    lines = [
        _describe_data(plan.data_name, plan.read()),
        *_describe_steps(plan),
        *_describe_weights(config),
        _describe_memory(config),
    ]
    end = f"dry run: no step was taken, and nothing was written to {plan.run.path}"
    return "\n".join([plan.experiment.to_yaml(), *plan.reasons, *lines, end])


def _describe_data(name: str, data: DataSet) -> str:
    skipped = f", {data.skipped:,} unreadable files skipped" if data.skipped else ""
    interpretation = f", read as {data.interpretation}" if data.interpretation else ""
    labels, classes = data.train.labels, ""
    if labels is not None:
        classes = f", {len(np.unique(labels))} classes" if labels.ndim == 1 else f", {labels.shape[1]} attributes each"
    return (
        f"data: {name}, {len(data.train):,} training images of {format_shape(data.train.shape)}{classes}, "
        f"{len(data.held_out):,} held out{interpretation}{skipped}"
    )


def _describe_steps(plan: Plan) -> Iterator[str]:
    start, end = plan.checkpoint.step if plan.checkpoint else 0, plan.experiment.steps
    for stage, first, after in stretches(plan.experiment.config, start, end):
        level = "" if stage.lod is None else f" at {4 * 2**stage.lod}×{4 * 2**stage.lod}"
        yield (
            f"{after - first:,} steps{level}: {stage.batch_size:,} images each, "
            f"learning rate {stage.adam.learning_rate:g}"
        )
    resumed = f", resuming at step {start:,}" if start else ""
    yield f"{end:,} steps in all{resumed}, on {plan.backend}"


def _describe_weights(config: Config) -> Iterator[str]:
    count = count_weights(config)
    others = [name for name in find_algorithm(config.algorithm, config.plugins).networks if name not in count]
    if count:
        networks = ", ".join(f"{name} {size:,}" for name, size in count.items())
        end = f"not counting {', '.join(others)} (known once they are built)" if others else "in all"
        yield f"weights: {networks}: {sum(count.values()):,} {end}"


def _describe_memory(config: Config) -> str:
    needed = estimate_memory(config, training=True)
    parts = ", ".join(f"{name} {format_bytes(size)}" for name, size in needed.items())
    total = format_bytes(sum(needed.values()))
    return f"memory: at least {total}, not counting activations kept for gradients: {parts}"
