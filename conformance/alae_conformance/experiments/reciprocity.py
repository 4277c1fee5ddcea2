"""L4: the reciprocity error along many long runs."""

import numpy as np

from alae_conformance import tape as tapes
from alae_conformance.comparison import Observations
from alae_conformance.experiments.experiment import experiment
from alae_conformance.experiments.setting import Setting
from alae_conformance.subjects import Subject

#: steps of each run, and the number of steps between two measurements
LONG_RUN, EVERY = 400, 50


@experiment(optimized=True)
def reciprocity(subject: Subject, setting: Setting) -> Observations:
    """Measure R = mean ‖F(z) − E(G(F(z)))‖² / var F(z) of held-out z; shape (seeds, 1 + LONG_RUN / EVERY)."""
    setting.open(subject)
    initial, batches = setting.initial_state(), tapes.batches(setting.tape)
    z = setting.tape["held_out_z"]
    errors = np.empty((setting.fixture.seeds, LONG_RUN // EVERY + 1))
    for seed in range(len(errors)):
        # Use other weights and step numbers, and therefore other z, in the same compiled run.
        weights = tapes.group(f"seeds/{seed}", setting.tape)
        state = {f"{kind}/{name}": array for name, array in weights.items() for kind in ("weights", "averages")}
        subject.load(initial | state | {"step": np.array(seed * LONG_RUN)})
        errors[seed, 0] = subject.reciprocity_error(z)
        for point in range(1, errors.shape[1]):
            subject.run(batches, EVERY)
            errors[seed, point] = subject.reciprocity_error(z)
    return {"reciprocity/error": errors}
