"""The error of a run whose device has too little memory for a step."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from alae_core import AlaeError
from alae_core.growth import position
from alae_core.passes import count_passes, find_smaller_microbatch

if TYPE_CHECKING:
    from alae_workbench.runs.loop import Trainer

# Names of the frameworks' own errors, and parts of the messages of general ones: JAX raises a runtime error with a
# status, PyTorch on a CPU a RuntimeError, and CUDA may report its own error code.
_ERRORS = ("MemoryError", "OutOfMemoryError", "ResourceExhaustedError")
_MESSAGES = ("RESOURCE_EXHAUSTED", "out of memory", "can't allocate memory")


@contextmanager
def explain_out_of_memory(trainer: "Trainer") -> Iterator[None]:
    """Replace the error of a framework that cannot allocate memory.

    Raises AlaeError with the batch, the pass, and the `training.microbatch` to try next: the largest that is at most
    half of the pass.
    """
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise AlaeError(_describe(trainer)) from error


def is_out_of_memory(error: Exception) -> bool:
    """Whether a framework raised `error` because it could not allocate memory."""
    if isinstance(error, AlaeError | OSError):
        return False
    names = {kind.__name__ for kind in type(error).__mro__}
    return not names.isdisjoint(_ERRORS) or any(part in str(error) for part in _MESSAGES)


def _describe(trainer: "Trainer") -> str:
    config, runner = trainer.config, trainer.runner
    batch = position(config, min(runner.step_number, trainer.steps - 1)).stage.batch_size
    rows = batch // count_passes(batch, trainer.training.microbatch)
    passes = f" in passes of {rows:,}" if rows < batch else ""
    smaller = find_smaller_microbatch(config, rows)
    remedy = "make the images or the networks smaller"
    if smaller is not None:
        remedy = f"set training.microbatch to {smaller}, which computes each batch in passes of {smaller:,} images"
        if trainer.run.path.exists():
            remedy += f": alae train --resume {trainer.run.path} --set training.microbatch={smaller}"
    return (
        f"{runner.backend.device} has too little memory for step {runner.step_number:,} of batches of {batch:,} "
        f"images{passes}: {remedy}"
    )
