"""Locating the first training step, update and tensor in which a failed run differs from the reference."""

from collections.abc import Mapping

from alae_conformance import tape as tapes
from alae_conformance.comparison import Comparison, Observations, compare
from alae_conformance.experiments.setting import STEPS, Setting
from alae_conformance.experiments.states import drop_check, movements
from alae_conformance.subjects import Subject
from alae_conformance.subjects.reference import ReferenceSubject
from alae_conformance.tolerances import Tolerance

_HERE = "here"


def first_divergence(
    subject: Subject, setting: Setting, tolerance: Tolerance, weight_norms: Mapping[str, float]
) -> str:
    """Run single steps from the reference's states, and describe the first one that differs from the reference's."""
    reference = ReferenceSubject()
    setting.open(reference)
    setting.open(subject)
    reference.load(setting.initial_state())
    batches = tapes.batches(setting.tape)

    def worst(only: str | None = None) -> Comparison | None:
        """Return the worst failed comparison of one step from the same state, or None."""

        def step_of(runner: Subject) -> Observations:
            runner.load(before)
            losses = {f"losses/{name}": loss for name, loss in runner.run(batches, 1, only).items()}
            moved = movements(_HERE, before, runner.state())
            # Averages move in a step of any update, so they are not attributed to this one.
            return losses | (drop_check("averages", moved) if only else moved)

        compared = compare(step_of(subject), step_of(reference), tolerance, weight_norms)
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
                return f"first diverges at step {step}, in the {update} update: {_describe(alone)}"
        return f"first diverges at step {step}: {_describe(whole)}, though each update alone is right"
    return (
        "every single step from the reference's state is right: errors accumulate, or the backend keeps something "
        "outside of the state"
    )


def _describe(comparison: Comparison) -> str:
    return f"{comparison.check} of {comparison.quantity}".replace(f"{_HERE}/", "").removesuffix(f" of {_HERE}")
