"""The suite run on plug-ins: real faults are caught where they should be, and nothing a plug-in does is mistaken."""

import pickle
import time

import pytest

from alae_conformance import files
from alae_conformance.case import cases
from alae_conformance.fixture import config_of, fixtures
from alae_conformance.judge import Judge
from alae_conformance.numbers import Fresh, Frozen
from alae_conformance.record import BackendRecord, CaseRecord, levels_of
from alae_conformance.selection import Selection, select
from alae_conformance.subjects.process import Process, SubjectError, SubjectLost
from alae_conformance.suite import conform, prepare_reference_checkpoints
from alae_conformance.tape import inputs
from alae_core import BackendError
from alae_core._support.text import MOST_CHARACTERS
from tests.conformance import plugins

PATIENCE = 120.0


@pytest.fixture
def judge(tmp_path):
    """Makes judges, and ends their processes."""
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
@pytest.mark.parametrize("name", plugins.KILLS)
def test_a_patched_plugin_dies_of_the_check_named_for_it(judge, name):
    case, check = plugins.KILLS[name]
    (record,) = run(judge, name, case).cases
    assert record.status == "failed", record
    failed = {found.check: found for found in record.checks if found.failed}
    assert failed[check].ratio > 10


def test_the_same_without_stop_gradients_passes(judge):
    records = run(judge, "NothingHeld", "L2-leaky-gradients", "L3-leaky-run").cases
    assert [record.status for record in records] == ["passed", "passed"]


@pytest.mark.parametrize(
    ("name", "case", "status", "words"),
    [
        ("Raises", "L1-hinge-values", "error", "losses: RuntimeError: no kernel for this"),
        ("NotANumber", "L1-hinge-values", "failed", "not finite"),
        ("MissingTensor", "L2-hinge-gradients", "failed", "missing"),
        ("WrongDtype", "L0-leaky-contract", "failed", "dtypes"),
        ("NotNumPy", "L2-hinge-gradients", "error", "asks for a NumPy array"),
        ("Refuses", "L1-hinge-values", "error", "computes on Thursdays only"),
        ("NoSuchPlugin", "L1-hinge-values", "error", "there is no backend 'NoSuchPlugin'"),
        ("NumberVersion", "L1-hinge-values", "error", "the plug-in's versions.jax is 10: Input should be"),
        ("NoVersions", "L1-hinge-values", "error", "the plug-in's versions is 3: Input should be a valid dictionary"),
        ("NumberDevice", "L1-hinge-values", "error", "has no `device` after it was opened"),
        ("NoDevices", "L1-hinge-values", "error", "the plug-in's devices is 'cpu:0': Input should be a valid list"),
        ("BrokenName", "L2-hinge-gradients", "failed", "unexpected"),
        ("Exits", "L1-hinge-values", "error", "cannot be loaded: SystemExit: 0"),
        ("Vanishes", "L1-hinge-values", "error", "start: the process ended with exit code 0"),
        ("Interrupts", "L1-hinge-values", "error", "losses: KeyboardInterrupt"),
    ],
)
def test_nonsense_is_no_pass(judge, name, case, status, words):
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
def test_what_a_plugin_answers_runs_nothing(judge, monkeypatch, tmp_path, name, words):
    trap = tmp_path / "sprung"
    monkeypatch.setenv("TRAP", str(trap))
    case = "L2-hinge-gradients"
    (record,) = run(judge, name, case).cases
    assert not trap.exists()
    assert record.status == "error"
    assert words in record.message
    # It would have, had it been unpickled.
    pickle.loads(pickle.dumps(plugins.Trap()))
    assert trap.exists()


def test_what_a_plugin_prints_is_no_answer(judge):
    (record,) = run(judge, "Prints", "L1-hinge-values").cases
    assert record.status == "passed"


def test_a_plugin_that_does_not_start_is_started_once_in_a_lane(judge):
    judged = run(judge, "Vanishes", "L1-hinge-values", "L2-hinge-gradients")
    assert [record.message for record in judged.cases] == ["start: the process ended with exit code 0"] * 2
    assert judged.cases[1].seconds < 0.5


def test_a_crash_is_an_error_that_tells_its_last_words_and_ends_only_its_own_case(judge):
    judged = run(judge, "Crashes", "L1-hinge-values", "L3-hinge-run")
    crashed, sound = judged.cases
    assert crashed.status == "error"
    assert "exit code 7" in crashed.message
    assert "last words of a dying process" in crashed.details
    # In a new process.
    assert sound.status == "passed"
    judged._losses["float32"] = 3
    last = judged.run_case(cases()["L3-hinge-run"], "float32", [])
    assert last.message == "not run: the process was lost 3 times in this lane"


def test_a_plugin_that_hangs_is_ended():
    process = Process("Hangs", "float32", PATIENCE)
    try:
        process.open(config_of(fixtures()["hinge"], "float32").data())
        given = inputs(files.read_tape("hinge"))
        process._patience = 0.5
        with pytest.raises(SubjectLost, match=r"losses: no answer within 0.5 s"):
            process.losses(given)
    finally:
        start = time.monotonic()
        process.close()
    assert time.monotonic() - start < 10
    assert not process._process.is_alive()


def test_a_process_raises_what_its_plugin_raised():
    process = Process("OnlyFloat32", "float32", PATIENCE)
    try:
        with pytest.raises(SubjectError, match="AttributeError"):
            process.state()  # nothing is open yet
        assert process.hello()["running"] == "jax"
    finally:
        process.close()
    with pytest.raises(BackendError, match="no float64"):
        Process("OnlyFloat32", "float64", PATIENCE)


def test_a_lane_that_a_backend_lacks_costs_it_nothing_and_earns_it_nothing(judge):
    judged = judge("OnlyFloat32")
    for lane in ("float32", "float64"):
        judged.run_case(cases()["L1-hinge-values"], lane, [])
    record = judged.record()
    assert [case.status for case in record.cases] == ["passed", "unsupported"]
    assert record.conforms
    assert record.highest("float32") == 1
    assert record.highest("float64") is None


def test_nothing_executed_is_a_failure():
    assert not BackendRecord(
        name="x", device="", keras_backend="", versions={}, cases=[], levels=levels_of([])
    ).conforms


def test_a_sound_plugin_conforms_and_goes_on_from_the_references_checkpoint(judge, tmp_path):
    prepare_reference_checkpoints(select("full"), Frozen(), tmp_path)
    judged = run(judge, "OnlyFloat32", "L5-official-checkpoint", "L5-official-peers")
    assert [record.status for record in judged.cases] == ["passed", "passed"]


def test_fresh_numbers_judge_too(judge):
    judged = judge("OnlyFloat32")
    judged.numbers = Fresh(5)
    record = judged.run_case(cases()["L1-hinge-values"], "float32", [])
    assert record.status == "passed"


def test_lanes_that_end_in_any_order_are_reported_in_one(monkeypatch):
    def run_case(judge, case, lane, backends):
        time.sleep(0.05 if lane == "float32" else 0)
        judge.cases.append(CaseRecord(case=case.id, level=case.level, lane=lane, status="passed", seconds=0))

    monkeypatch.setattr(Judge, "run_case", run_case)
    selection = Selection(cases=("L1-hinge-values", "L1-leaky-values"))
    (record,) = conform(["slow"], selection=selection).backends
    assert [(each.case, each.lane) for each in record.cases] == [
        (case.id, lane) for case, lane in select("full", selection)
    ]
