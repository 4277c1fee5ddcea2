"""Where a run that failed first went another way: step, update and tensor."""

from collections.abc import Mapping

from alae_conformance import tape as tapes
from alae_conformance.experiments import STEPS, Setting, movements
from alae_conformance.judge import Comparison, Observations, judge
from alae_conformance.subjects import Subject
from alae_conformance.subjects.reference import ReferenceSubject
from alae_conformance.tolerances import Tolerance

#: the experiments that are one run of many steps
RUNS = ("free_run", "growth")
_HERE = "here"


def first_divergence(
    subject: Subject, setting: Setting, tolerance: Tolerance, weight_norms: Mapping[str, float]
) -> str:
    """The first step that does not do as the reference's does from the same state, and what in it."""
    reference = ReferenceSubject()
    setting.open(reference)
    setting.open(subject)
    reference.load(setting.start())
    batches = tapes.batches(setting.tape)

    def worst(only: str | None = None) -> Comparison | None:
        """What a step from the state of both is furthest off at, or None."""

        def step_of(each: Subject) -> Observations:
            each.load(before)
            losses = {f"losses/{name}": loss for name, loss in each.run(batches, 1, only).items()}
            moved = movements(_HERE, before, each.state())
            # Averages follow whichever update there was.
            return losses | {key: array for key, array in moved.items() if not only or not key.startswith("averages")}

        compared = judge(step_of(subject), step_of(reference), tolerance, weight_norms)
        failed = [comparison for comparison in compared if not comparison.passed]
        return max(failed, key=lambda comparison: comparison.ratio, default=None)

    for step in range(1, (setting.fixture.grown or (STEPS,))[-1] + 1):
        before = reference.state()
        whole = worst()
        if whole is None:
            continue
        for update in reference.reference.trains():
            alone = worst(update)
            if alone is not None:
                return f"first diverges at step {step}, in the {update} update: {_what(alone)}"
        return f"first diverges at step {step}: {_what(whole)}, though each update alone is right"
    return "no single step from the reference's state is off: it adds up, or something is kept outside of the state"


def _what(comparison: Comparison) -> str:
    return f"{comparison.check} of {comparison.quantity}".replace(f"{_HERE}/", "").removesuffix(f" of {_HERE}")
