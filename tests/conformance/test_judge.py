"""Backends with faults are caught by the right check, and broken ones are recorded as errors."""

import pickle

import pytest

from alae_conformance.case import cases
from alae_conformance.judge import Judge
from alae_conformance.numbers import Fresh, Frozen
from alae_conformance.selection import select
from alae_conformance.subjects import processes
from alae_conformance.subjects.process import Process
from alae_conformance.suite import prepare_reference_checkpoints
from alae_core._support.text import MOST_CHARACTERS
from tests.conformance import faulty_backends

pytestmark = pytest.mark.framework
PATIENCE = 120.0


@pytest.fixture
def judge(tmp_path):
    """Create judges, and end their processes."""
    made = []

    def make(name, **options):
        made.append(Judge(name, Frozen(), tmp_path, {}, patience=PATIENCE, **options))
        return made[-1]

    yield make
    for each in made:
        each.close()


def run(judge, name, *ids, lane="float32"):
    judge = judge(name)
    for case in ids:
        judge.run_case(cases()[case], lane, [name])
    return judge


@pytest.mark.slow
@pytest.mark.parametrize("name", faulty_backends.KILLS)
def test_the_named_check_fails_on_a_patched_backend(judge, name):
    case, check, lane = faulty_backends.KILLS[name]
    (record,) = run(judge, name, case, lane=lane).cases
    assert record.status == "failed", record
    failed = {found.check: found for found in record.checks if found.failed}
    assert failed[check].ratio > 10


@pytest.mark.slow
def test_a_backend_without_stop_gradient_passes(judge):
    records = run(judge, "NothingHeld", "L2-leaky-gradients", "L3-leaky-run").cases
    assert [record.status for record in records] == ["passed", "passed"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "case", "status", "words"),
    [
        ("Raises", "L1-hinge-values", "error", "losses: RuntimeError: no kernel for this"),
        ("NotANumber", "L1-hinge-values", "failed", "not finite"),
        ("MissingTensor", "L2-hinge-gradients", "failed", "missing"),
        ("WrongDtype", "L0-leaky-contract", "failed", "dtypes"),
        ("NotNumPy", "L2-hinge-gradients", "error", "asks for a NumPy array"),
        ("Refuses", "L1-hinge-values", "error", "this backend has no free device"),
        ("NoSuchBackend", "L1-hinge-values", "error", "there is no backend 'NoSuchBackend'"),
        ("NumberVersion", "L1-hinge-values", "error", "the backend's versions.jax is 10: Input should be"),
        ("NoVersions", "L1-hinge-values", "error", "the backend's versions is 3: Input should be a valid dictionary"),
        ("NumberDevice", "L1-hinge-values", "error", "has no `device` after it was opened"),
        ("NoDevices", "L1-hinge-values", "error", "the backend's devices is 'cpu:0': Input should be a valid list"),
        ("BrokenName", "L2-hinge-gradients", "failed", "unexpected"),
        ("Exits", "L1-hinge-values", "error", "cannot be loaded: SystemExit: 0"),
        ("Vanishes", "L1-hinge-values", "error", "start: the process ended with exit code 0"),
        ("Interrupts", "L1-hinge-values", "error", "losses: KeyboardInterrupt"),
    ],
)
def test_a_broken_backend_does_not_pass(judge, name, case, status, words):
    judged = run(judge, name, case)
    (record,) = judged.cases
    assert record.status == status
    assert words in record.message + " ".join(f"{c.check} {c.note}" for c in record.checks if c.failed)
    assert not judged.record().conforms
    assert judged.record().highest("float32") is None
    assert len(record.message) <= MOST_CHARACTERS
    assert record.message.isprintable()
    judged.record().model_dump_json()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "TrapVersion",
            "hello: the answer['versions']['trap'] is a Trap, which is neither plain data nor",
        ),
        ("TrapDevices", "hello: the answer['devices'][0] is a Trap"),
        ("TrapArray", "is an array of object, but only bools, ints and floats are allowed"),
        ("TrapLoss", "losses: TypeError: float() argument must be a string or a real number, not 'Trap'"),
        ("TrapPipe", "losses: it sent something that is not an answer"),
    ],
)
def test_answers_of_a_backend_do_not_run_code(judge, monkeypatch, tmp_path, name, words):
    trap = tmp_path / "sprung"
    monkeypatch.setenv("TRAP", str(trap))
    case = "L2-hinge-gradients"
    (record,) = run(judge, name, case).cases
    assert not trap.exists()
    assert record.status == "error"
    assert words in record.message
    # Unpickling it does create the file.
    pickle.loads(pickle.dumps(faulty_backends.Trap()))
    assert trap.exists()


def test_a_backend_whose_xla_lacks_a_flag_is_judged_without_it(judge, monkeypatch):
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    judge = judge("OlderXla", quick=True)
    assert judge.run_case(cases()["L1-hinge-values"], "float32", ["OlderXla"]).status == "passed"
    assert not judge._has_flags
    assert judge._losses["float32"] == 0


def test_xla_optimizes_only_long_runs_and_checkpoints(judge):
    tasks = [(cases()[case], "float32") for case in ("L3-leaky-run", "L4-leaky-reciprocity", "L5-leaky-checkpoint")]
    assert [[case.id for case, _ in group] for group in judge("jax").split(tasks)] == [
        ["L3-leaky-run"],
        ["L4-leaky-reciprocity", "L5-leaky-checkpoint"],
    ]
    assert judge("jax", quick=True).split(tasks) == [tasks]


def test_runs_are_forgotten_before_the_first_case_of_another_fixture(judge, monkeypatch):
    forgotten = []
    monkeypatch.setattr(Process, "forget", lambda process: forgotten.append(process), raising=False)
    judge, counts = judge("OnlyFloat32", quick=True), []
    for case in ("L1-hinge-values", "L2-hinge-gradients", "L1-large-values"):
        assert judge.run_case(cases()[case], "float32", []).status == "passed"
        counts.append(len(forgotten))
    assert counts == [0, 0, 1]


def test_processes_end_with_the_tasks_of_a_run(judge):
    judge = judge("OnlyFloat32", quick=True)
    judge.run([(cases()["L1-hinge-values"], "float32")], [])
    assert [case.status for case in judge.cases] == ["passed"]
    assert not judge._processes


def test_output_of_a_backend_is_not_taken_for_an_answer(judge):
    (record,) = run(judge, "Prints", "L1-hinge-values").cases
    assert record.status == "passed"


def test_a_backend_that_fails_to_start_is_started_once_per_lane(judge):
    judged = run(judge, "Vanishes", "L1-hinge-values", "L2-hinge-gradients")
    assert [record.message for record in judged.cases] == ["start: the process ended with exit code 0"] * 2
    assert judged.cases[1].seconds < 0.5


@pytest.mark.slow
def test_a_crash_is_an_error_of_one_case_with_the_last_output(judge):
    judged = run(judge, "Crashes", "L1-hinge-values", "L3-hinge-run")
    crashed, sound = judged.cases
    assert crashed.status == "error"
    assert "exit code 7" in crashed.message
    assert "the last output of this process" in crashed.details
    # In a new process.
    assert sound.status == "passed"
    judged._losses["float32"] = 3
    last = judged.run_case(cases()["L3-hinge-run"], "float32", [])
    assert last.message == "not run: the process was lost 3 times in this lane"


@pytest.mark.slow
def test_an_unsupported_lane_neither_fails_nor_counts(judge):
    judged = judge("OnlyFloat32")
    for lane in ("float32", "float64"):
        judged.run_case(cases()["L1-hinge-values"], lane, [])
    record = judged.record()
    assert [case.status for case in record.cases] == ["passed", "unsupported"]
    assert record.conforms
    assert record.highest("float32") == 1
    assert record.highest("float64") is None


@pytest.mark.slow
def test_a_correct_backend_resumes_from_the_references_checkpoint(judge, tmp_path):
    prepare_reference_checkpoints(select("full"), Frozen(), tmp_path)
    judged = run(judge, "OnlyFloat32", "L5-official-checkpoint", "L5-official-peers")
    assert [record.status for record in judged.cases] == ["passed", "passed"]


@pytest.mark.slow
def test_a_correct_backend_passes_with_fresh_numbers(judge):
    judged = judge("OnlyFloat32")
    judged.numbers = Fresh(5)
    record = judged.run_case(cases()["L1-hinge-values"], "float32", [])
    assert record.status == "passed"


def test_a_backend_for_one_device_does_not_support_the_lane_devices(judge):
    (record,) = run(judge, "OneDevice", "L3-leaky-run", lane="devices").cases
    assert record.status == "unsupported"
    assert "trains on one device only" in record.message


@pytest.mark.slow
@pytest.mark.parametrize("name", ["TorchFailsAlone", "TensorflowFailsAlone"])
def test_a_process_that_fails_ends_the_one_that_waits_for_it(judge, monkeypatch, name):
    monkeypatch.setattr(processes, "_GRACE", 1.0)
    judged = run(judge, name, "L3-leaky-run", lane="devices")
    (record,) = judged.cases
    assert record.status == "error"
    assert "no kernel for this" in record.message
    assert not judged._processes
