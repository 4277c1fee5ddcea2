"""Faulty copies of the reference, which show that the suite's limits are narrow enough.

Each names the check, and its case, that must catch it. It counts as caught only if that check fails on it and passes on
the correct reference.
"""

from tests.conformance.mutants import (
    adam,
    augmenting,
    baselines,
    beyond,
    checkpoints,
    coarse,
    combined,
    constants,
    contract,
    crossed,
    crossing,
    devices,
    frozen,
    gradients,
    joint,
    looking,
    outputs,
    passes,
    product,
    ranges,
    rare,
    reducing,
    style,
    style_labels,
    training,
    updates,
)
from tests.conformance.mutants.registry import (
    EQUIVALENTS,
    MUTANTS,
    Mutant,
    judge_reference,
    judge_subject,
    worst_of,
)

__all__ = ["EQUIVALENTS", "MUTANTS", "Mutant", "judge_reference", "judge_subject", "worst_of"]
#: the modules that register them
_MODULES = (
    contract,
    outputs,
    looking,
    gradients,
    updates,
    adam,
    crossed,
    checkpoints,
    style,
    style_labels,
    training,
    augmenting,
    baselines,
    joint,
    frozen,
    ranges,
    rare,
    crossing,
    coarse,
    combined,
    constants,
    reducing,
    beyond,
    passes,
    product,
    devices,
)
MUTANTS.sort(key=lambda mutant: mutant.case[:2])
