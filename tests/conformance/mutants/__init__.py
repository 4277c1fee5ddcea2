"""Faulty copies of the reference, each with the one check that must catch it: what the suite's limits are worth.

A kill counts only where the named check of the named case fails on the mutant and passes on the sound reference.
`python -m tests.conformance.mutants` prints the table of docs/conformance.md.
"""

from tests.conformance.mutants import (
    adam,
    augmenting,
    baselines,
    checkpoints,
    contract,
    crossed,
    gradients,
    outputs,
    style,
    training,
    updates,
)
from tests.conformance.mutants.registry import EQUIVALENTS, MUTANTS, comparisons, of_control, worst

__all__ = ["EQUIVALENTS", "MUTANTS", "comparisons", "of_control", "worst"]
#: the modules that register them
_MODULES = (contract, outputs, gradients, updates, adam, crossed, checkpoints, style, training, augmenting, baselines)
MUTANTS.sort(key=lambda mutant: mutant.case[:2])
