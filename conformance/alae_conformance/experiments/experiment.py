"""The type of an experiment, and the decorator that turns a function into one."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from alae_conformance.comparison import Observations
from alae_conformance.experiments.setting import Setting
from alae_conformance.subjects import Subject

Procedure = Callable[[Subject, Setting], Observations]
#: the effect of rounding on an outcome: "none", because it is exact or statistical; "kinks", small unless an activation
#: lies at a kink; "compounds", the same, multiplied by each step; "averages", small in averages over batches
Rounding = Literal["none", "kinks", "compounds", "averages"]


@dataclass(frozen=True)
class Experiment:
    """A procedure on a subject, and properties of it that the suite needs.

    Attributes:
        name: the name in case files.
        run: the procedure, which returns arrays by "check/quantity".
        rounding: decides which inputs are refused when they are drawn.
        trains: whether it needs more than one batch, or states of a trajectory.
        traced: whether a failure is traced to the first training step that differs.
        optimized: whether XLA optimizes it in the profile full, as in training: only long runs and those that write
            checkpoints, which run first.
        reads: the name of the experiment that writes the checkpoints it reads, those of every subject; or None.
    """

    name: str
    run: Procedure
    rounding: Rounding = "none"
    trains: bool = True
    traced: bool = False
    optimized: bool = False
    reads: str | None = None


def experiment(
    *,
    rounding: Rounding = "none",
    trains: bool = True,
    traced: bool = False,
    optimized: bool = False,
    reads: str | None = None,
) -> Callable[[Procedure], Experiment]:
    """Turn a function into an experiment of the same name; the options are attributes of `Experiment`."""
    return lambda run: Experiment(run.__name__, run, rounding, trains, traced, optimized, reads)
