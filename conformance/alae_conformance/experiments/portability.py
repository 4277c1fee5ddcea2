"""L5: checkpoints, read by the subject that wrote them and by every other."""

from collections.abc import Mapping, Sequence

import numpy as np

from alae_conformance import tape as tapes
from alae_conformance.comparison import Observations
from alae_conformance.experiments.experiment import experiment
from alae_conformance.experiments.setting import Setting
from alae_conformance.experiments.states import differing_names, drop_check, movements
from alae_conformance.subjects import Subject


@experiment(optimized=True)
def portability(subject: Subject, setting: Setting) -> Observations:
    """Write a checkpoint midway, resume from it, and reach the same state bit for bit."""
    setting.open(subject)
    initial = setting.initial_state()
    subject.load(initial)
    before, batches = subject.state(), tapes.batches(setting.tape)
    half, rest = setting.halves()
    subject.run(batches, half)
    path = subject.save(str(setting.checkpoint_home(subject.hello()["name"])))
    written = subject.state()
    subject.run(batches, rest)
    uninterrupted = subject.state()
    subject.load(initial)
    subject.resume(path)
    read = subject.state()
    subject.run(batches, rest)
    return {
        "own/state read back": differing_names(read, written),
        "own/state ten steps later": differing_names(subject.state(), uninterrupted),
        **drop_check("moments", movements("written", before, written)),
    }


@experiment(reads="portability")
def peers(subject: Subject, setting: Setting) -> Observations:
    """Resume from the checkpoint of each writer, including the reference, and train the second half."""
    setting.open(subject)
    subject.load(setting.initial_state())
    before = subject.state()
    observed: Observations = {}
    for writer in setting.writers:
        (path,) = setting.checkpoint_home(writer).glob("step-*")
        subject.resume(str(path))
        subject.run(tapes.batches(setting.tape), setting.halves()[1])
        observed |= drop_check("moments", movements(f"from {writer}", before, subject.state()))
    return observed


def expected_from_each(expected: Mapping[str, np.ndarray], writers: Sequence[str]) -> Observations:
    """Return the expected outcome of `peers` for every writer: the same as from the reference's checkpoint."""
    return {
        key.replace("from reference", f"from {writer}"): array for key, array in expected.items() for writer in writers
    }
