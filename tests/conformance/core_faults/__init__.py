"""Faults of alae_core on each backend, by the kind of thing that hides them.

    KERAS_BACKEND=torch python -m tests.conformance.core_faults torch [NAME…]

It prints a line for each fault in JSON: its name, its error over the limit, and that of the correct backend. Faults in
float64 run in a second process, since JAX chooses that precision for the whole process.
"""

from tests.conformance.core_faults import (
    adaptive,
    constants,
    crossings,
    hidden,
    lanes,
    looking,
    path,
    ranges,
    rare,
    reduction,
)
from tests.conformance.core_faults.registry import CORE_FAULTS, GROUPS, CoreFault

__all__ = ["CORE_FAULTS", "GROUPS", "CoreFault"]
#: the modules that register them
_MODULES = (looking, ranges, path, crossings, adaptive, reduction, rare, lanes, constants, hidden)
