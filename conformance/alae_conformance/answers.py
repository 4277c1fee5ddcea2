"""Expected outcomes of cases, computed by the reference."""

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from alae_conformance import tape as tapes
from alae_conformance.case import Case, experiment_of
from alae_conformance.comparison import Observations
from alae_conformance.experiments import EXPERIMENTS
from alae_conformance.experiments.setting import Setting
from alae_conformance.fixture import fixtures
from alae_conformance.reference.training import Reference
from alae_conformance.subjects.reference import ReferenceSubject
from alae_core.config import Config


def answers(
    case: Case, tape: Mapping[str, np.ndarray], reference: Callable[[Config], Reference] | None = None
) -> Observations:
    """Run a case's experiment on the reference, or on a variant of it, in float64."""
    with tempfile.TemporaryDirectory() as checkpoints:
        setting = Setting(fixtures()[case.fixture], "float64", tape, Path(checkpoints))
        write_reference_checkpoints(case, setting)
        return experiment_of(case).run(ReferenceSubject(reference), setting)


def write_reference_checkpoints(case: Case, setting: Setting) -> None:
    """Write the reference's checkpoints that a case reads, if it reads any."""
    writer = experiment_of(case).reads
    if writer:
        EXPERIMENTS[writer].run(ReferenceSubject(), setting)


def weight_norms(tape: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Return the norm of each weight on a tape, to which the rounding of its displacement is proportional."""
    return {name: float(np.linalg.norm(array)) for name, array in tapes.group("weights", tape).items()}
