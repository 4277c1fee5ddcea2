"""The setting of an experiment: its model, precision, inputs, and a directory for checkpoints."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from alae_conformance import tape as tapes
from alae_conformance.fixture import Fixture, config_of
from alae_conformance.subjects import Arrays, Subject
from alae_conformance.subjects.reference import ReferenceSubject
from alae_conformance.tolerances import Lane, precision_of

#: steps of a free run
STEPS = 20


@dataclass(frozen=True)
class Setting:
    """The setting of an experiment.

    Attributes:
        tape: the fixture's inputs.
        checkpoints: the directory in which subjects write checkpoints for each other.
        writers: the names of the subjects that have written one.
    """

    fixture: Fixture
    lane: Lane
    tape: Mapping[str, np.ndarray]
    checkpoints: Path
    writers: tuple[str, ...] = ("reference",)

    def open(self, subject: Subject) -> None:
        """Open the fixture's run."""
        microbatch = self.fixture.microbatch if self.lane == "microbatch" else None
        subject.open(config_of(self.fixture, self.lane).data(), microbatch=microbatch)

    def initial_state(self) -> Arrays:
        """Return the state that runs start from."""
        reference = ReferenceSubject()
        self.open(reference)
        return tapes.initial_state(self.tape, reference)

    def checkpoint_home(self, writer: str) -> Path:
        """Return the directory of one subject's checkpoints of this fixture, in this lane's precision."""
        return self.checkpoints / writer / self.fixture.id / precision_of(self.lane)

    def halves(self) -> tuple[int, int]:
        """Return the numbers of steps before and after a checkpoint, in a free run or between two observations."""
        if not self.fixture.grown:
            return STEPS // 2, STEPS - STEPS // 2
        first, last = self.fixture.grown
        return (first + last) // 2, last - (first + last) // 2
