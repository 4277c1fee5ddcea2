"""The reference computes the frozen numbers, and damaged files are detected."""

import json
import shutil

import numpy as np
import pytest
from pydantic import ValidationError

from alae_conformance import case_files, covering, fixture, freeze
from alae_conformance.answers import answers
from alae_conformance.case import Case, cases
from alae_conformance.case_files import SuiteError
from alae_conformance.drawing import draw_attempt
from alae_conformance.fixture import config_of, fixtures
from alae_conformance.numbers import Fresh
from alae_conformance.record import Report
from alae_conformance.steadiness import is_steady
from alae_conformance.tape import to_bfloat16


@pytest.mark.parametrize(
    "case",
    # The training runs of level 4 are slow.
    [pytest.param(case, id=case.id, marks=[pytest.mark.slow] * ("L4" in case.id)) for case in freeze.frozen_cases()],
)
def test_the_reference_computes_the_frozen_numbers(case):
    assert freeze.differences(case) == []


def is_convolutional(fixture):
    return config_of(fixture, "float32").networks.family != "mlp"


@pytest.mark.parametrize(
    "fixture",
    # Convolutional networks and adaptive augmentation are slow.
    [
        pytest.param(f, id=f.id, marks=[pytest.mark.slow] * (is_convolutional(f) or f.id == "adaptive"))
        for f in fixtures().values()
        if not f.seeds and f.id not in covering.rows()
    ],
)
def test_frozen_tapes_are_not_near_kinks(fixture):
    assert is_steady(fixture, case_files.read_tape(fixture.id))


@pytest.mark.parametrize(
    ("fixture", "seed", "attempt"),
    [
        # Terms of a gradient nearly cancel in Adam's first steps, …
        ("relativistic", 2013, 0),
        ("relativistic", 2017, 0),
        # … or cancel to the last digit; …
        ("particular", 2015, 0),
        # … rounding to bfloat16 crosses a kink; a loss that is averaged in bfloat16 is too coarse.
        ("arrayad", 2010, 0),
        ("smooth", 2001, 1),
        ("smooth", 2014, 0),
    ],
)
def test_tapes_on_which_correct_backends_failed_are_rejected(fixture, seed, attempt):
    assert not is_steady(fixtures()[fixture], draw_attempt(fixtures()[fixture], seed, attempt))


@pytest.mark.parametrize("fixture", [id for id in fixtures() if id not in covering.rows()])
def test_inputs_are_exact_in_every_lane(fixture):
    tape = case_files.read_tape(fixture)
    for name in ("images", "w", *(name for name in tape if name.startswith(("weights/", "z/", "mix/", "noise/")))):
        assert np.array_equal(to_bfloat16(tape[name]), tape[name]), name
    for name in (name for name in tape if name.startswith(("states/", "draws/", "seeds/", "held_out_z"))):
        assert np.array_equal(tape[name].astype(np.float32), tape[name]), name


def test_logits_have_both_signs_and_are_large_enough_to_separate_objectives():
    for name in fixtures():
        case = cases().get(f"L1-{name}-values")
        if case and "input_gradient" in case.checks:
            frozen = case_files.read_expected(case.id)
            logits = np.concatenate([frozen[name] for name in frozen if name.startswith("input_gradient/D(E(x))")])
            assert logits.min() < -1.5, name
            assert logits.max() > 1.5, name
    assert np.abs(case_files.read_expected("L1-overflow-values")["input_gradient/D(E(x))"]).max() > 100


CACHED = (cases, fixtures, covering.rows, fixture._read_fixtures, case_files.read_tape, case_files.read_expected)


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """The suite's files, to be damaged."""
    home = tmp_path / case_files.HOME.name
    shutil.copytree(case_files.HOME, home)
    monkeypatch.setattr(case_files, "HOME", home)
    for cached in CACHED:
        cached.cache_clear()
    yield home
    monkeypatch.undo()
    for cached in CACHED:
        cached.cache_clear()


def change_case(home, **changed):
    path = home / "L2.json"
    content = json.loads(path.read_text("utf-8"))
    content[0] |= changed
    path.write_text(json.dumps(content), "utf-8")


def test_damaged_files_are_detected(copy):
    case_files.verify_files()
    content = bytearray((copy / "tapes" / "leaky.npz").read_bytes())
    content[1000] ^= 1
    (copy / "tapes" / "leaky.npz").write_bytes(content)
    with pytest.raises(SuiteError, match=r"leaky.npz has changed"):
        case_files.verify_files()
    (copy / "tapes" / "leaky.npz").unlink()
    with pytest.raises(SuiteError, match=r"leaky.npz is missing"):
        case_files.verify_files()


def test_files_missing_from_the_manifest_are_detected(copy):
    (copy / "expected" / "L2-mine.npz").write_bytes(b"")
    with pytest.raises(SuiteError, match=r"L2-mine.npz is new"):
        case_files.verify_files()


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"tolerence": "value"}, "Extra inputs are not permitted"),
        ({"id": "L2-Leaky"}, "String should match pattern"),
        ({"lanes": ["float16"]}, "Input should be"),
        ({"checks": []}, "at least 1 item"),
        ({"level": 3}, "L2.json contains L2-.*, which is of level 3"),
        ({"id": "L2-official-gradients"}, "used twice"),
        ({"fixture": "leakier"}, "'leakier', which does not exist"),
    ],
)
def test_the_schema_is_closed(copy, changed, complaint):
    change_case(copy, **changed)
    with pytest.raises(SuiteError, match=complaint):
        cases()


def test_cases_of_another_version_of_the_specification_are_refused(copy):
    path = copy / "fixtures.json"
    path.write_text(path.read_text("utf-8").replace('"specification": 2', '"specification": 3'), "utf-8")
    with pytest.raises(SuiteError, match=r"follows version 3 of the specification, but .* implements version 2"):
        cases()


@pytest.mark.parametrize("name", ["leaky", "L1-large-values"])
def test_frozen_files_are_not_overwritten(copy, monkeypatch, name):
    monkeypatch.setattr("sys.argv", ["freeze", name])
    with pytest.raises(SystemExit, match="different numbers need a new case id"):
        freeze.main()


def freeze_again(copy, monkeypatch, change):
    """Freeze a case whose file was changed; return the quantities before and after."""
    path = copy / "expected" / "L1-large-values.npz"
    with np.load(path) as file:
        whole = dict(file)
    np.savez_compressed(path, **change(whole))
    monkeypatch.setattr("sys.argv", ["freeze", "L1-large-values"])
    freeze.main()
    with np.load(path) as file:
        return whole, dict(file)


def test_new_quantities_are_added(copy, monkeypatch):
    whole, found = freeze_again(copy, monkeypatch, lambda arrays: dict(list(arrays.items())[1:]))
    assert found.keys() == whole.keys()
    assert all(np.array_equal(found[name], whole[name]) for name in list(whole)[1:])


def test_quantities_are_not_added_beside_numbers_that_changed(copy, monkeypatch):
    def change(arrays):
        _, (name, array), *others = arrays.items()
        return {name: array + 1} | dict(others)

    with pytest.raises(SystemExit, match="different numbers need a new case id"):
        freeze_again(copy, monkeypatch, change)


def test_the_published_schemas_match_the_models():
    for name, model in (("case", Case), ("report", Report)):
        published = json.loads((case_files.HOME.parent / f"{name}.schema.json").read_text("utf-8"))
        assert published == model.model_json_schema()
    with pytest.raises(ValidationError):
        Case.model_validate({"id": "L1-leaky-values"})


def test_fresh_numbers_differ():
    first, other = Fresh(1), Fresh(2)
    assert not np.array_equal(first.tape("large")["images"], other.tape("large")["images"])
    assert not np.array_equal(first.tape("large")["images"], case_files.read_tape("large")["images"])
    again = answers(cases()["L1-large-values"], first.tape("large"))
    assert np.array_equal(first.expected("L1-large-values")["losses/generator"], again["losses/generator"])
