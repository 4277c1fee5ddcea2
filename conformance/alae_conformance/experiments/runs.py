"""L3: whole training steps in a row."""

from itertools import pairwise

import numpy as np

from alae_conformance import tape as tapes
from alae_conformance.comparison import Observations
from alae_conformance.experiments.experiment import experiment
from alae_conformance.experiments.setting import STEPS, Setting
from alae_conformance.experiments.states import (
    drop_check,
    fits_bfloat16,
    model_differences,
    movements,
    sorted_names,
)
from alae_conformance.fixture import config_of
from alae_conformance.subjects import Subject


@experiment(rounding="kinks", traced=True)
def free_run(subject: Subject, setting: Setting) -> Observations:
    """Take twenty whole steps."""
    setting.open(subject)
    subject.load(setting.initial_state())
    before, batches, observed = subject.state(), tapes.batches(setting.tape), Observations()
    if config_of(setting.fixture, setting.lane).average_warmup:
        # The half-life is zero at first, so averages are the weights; twenty steps later that hardly shows.
        subject.run(batches, 1)
        moved = movements("1", before, subject.state())
        observed = {key: array for key, array in moved.items() if key.startswith("averages/")}
        subject.load(before)
    losses = subject.run(batches, STEPS)
    after = subject.state()
    return observed | {
        **{f"trajectory/{update}": array for update, array in losses.items()},
        **drop_check("moments", movements(f"{STEPS}", before, after)),
        **model_differences(subject, after),
    }


@experiment(rounding="kinks")
def precision(subject: Subject, setting: Setting) -> Observations:
    """Take a step from the middle of a trajectory; the stored arrays must have more digits than bfloat16."""
    setting.open(subject)
    subject.load(tapes.group("states/7", setting.tape))
    before = subject.state()
    subject.run(tapes.batches(setting.tape), 1)
    after = subject.state()
    coarse = [name for name, array in after.items() if fits_bfloat16(array)]
    kinds = {
        "weights": ("weights/", ""),
        "averages": ("averages/", ""),
        "first moments": ("adam/", "/m/"),
        "second moments": ("adam/", "/v/"),
    }
    return movements("8", before, after) | {
        f"digits/arrays of {kind} that bfloat16 holds": sorted_names(
            name for name in coarse if name.startswith(start) and part in name
        )
        for kind, (start, part) in kinds.items()
    }


@experiment(rounding="compounds", traced=True)
def growth(subject: Subject, setting: Setting) -> Observations:
    """Train through levels of detail; observe the run at the numbers of steps that the fixture lists."""
    setting.open(subject)
    subject.load(setting.initial_state())
    observed, losses = Observations(), []
    for first, last in pairwise((0, *setting.fixture.grown)):
        before = subject.state()
        losses.append(subject.run(tapes.batches(setting.tape), last - first))
        observed |= movements(f"{last}", before, subject.state())
    config = config_of(setting.fixture, setting.lane)
    if config.growth and config.growth.from_level:
        # Adam restarts at the first level to train too, if it is not the coarsest.
        subject.load(subject.state() | {"step": np.array(0)})
        subject.run(tapes.batches(setting.tape), 1)
        counts = {name: array for name, array in subject.state().items() if name.endswith("/t")}
        observed |= {f"counts/again/{name}": array for name, array in counts.items()}
    updates = dict.fromkeys(update for leg in losses for update in leg)
    return observed | {
        f"trajectory/{update}": np.concatenate([leg[update] for leg in losses if update in leg]) for update in updates
    }


@experiment()
def in_place(subject: Subject, setting: Setting) -> Observations:
    """Train through all levels of `growth`; the model that the run was started with must hold its weights."""
    setting.open(subject)
    subject.load(setting.initial_state())
    subject.run(tapes.batches(setting.tape), setting.fixture.grown[-1])
    return model_differences(subject, subject.state())
