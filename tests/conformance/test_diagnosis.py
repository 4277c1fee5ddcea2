"""The first step, update and tensor in which a faulty run diverges is located."""

import pytest

from alae_conformance import case_files
from alae_conformance.answers import weight_norms
from alae_conformance.case import cases
from alae_conformance.diagnosis import first_divergence
from alae_conformance.experiments.setting import Setting
from alae_conformance.fixture import fixtures
from alae_conformance.judge import Judge
from alae_conformance.numbers import Frozen
from alae_conformance.subjects.reference import ReferenceSubject
from alae_conformance.tolerances import TOLERANCES
from tests.conformance.mutants import MUTANTS

NONE = "every single step from the reference's state is right"


def diagnose(subject, case, directory):
    case = cases()[case]
    tape = case_files.read_tape(case.fixture)
    setting = Setting(fixtures()[case.fixture], "float32", tape, directory)
    return first_divergence(subject, setting, TOLERANCES["step", "float32"], weight_norms(tape))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("SameBatch", "first diverges at step 2, in the discriminator update: displacement of E/"),
        ("PooledOnce", "first diverges at step 1, in the discriminator update: displacement of E/from_rgb0/kernel"),
        ("AdamGoesOn", "first diverges at step 3, in the discriminator update: counts of adam/decoder/F/t"),
        ("WrapsAround", "first diverges at step 7, in the discriminator update: untouched of displacement/E/"),
        (
            "UnclearedGradients",
            "first diverges at step 1: moments of m/encoder/E/dense2/kernel, though each update alone is",
        ),
        ("MeanOfTheFirstF", "first diverges at step 1: w_mean, though each update alone is right"),
        ("AveragesBefore", "first diverges at step 1: averages of "),
        ("StaleModel", NONE),
    ],
)
def test_the_first_effect_of_a_fault_is_located(tmp_path, name, expected):
    (mutant,) = [mutant for mutant in MUTANTS if mutant.name == name]
    assert diagnose(mutant.make(), mutant.case, tmp_path).startswith(expected)


def test_a_correct_run_does_not_diverge(tmp_path):
    for case in ("L3-leaky-run", "L3-style-growth"):
        assert diagnose(ReferenceSubject(), case, tmp_path).startswith(NONE)


@pytest.mark.framework
def test_a_failed_run_of_a_backend_is_diagnosed(tmp_path):
    judge = Judge("JaxLateCount", Frozen(), tmp_path, {})
    try:
        record = judge.run_case(cases()["L3-leaky-run"], "float32", [])
    finally:
        judge.close()
    assert record.status == "failed"
    assert record.message.startswith("first diverges at step 1, in the discriminator update: displacement of ")
