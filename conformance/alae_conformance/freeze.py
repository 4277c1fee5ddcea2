"""Freezing the inputs and expected outputs of cases as files, and checking that the reference still computes them.

    python -m alae_conformance.freeze CASE_OR_FIXTURE…   write new files, the manifest and the schemas
    python -m alae_conformance.freeze                    compute every expected output again and compare

A number that is frozen is never changed: different numbers need a new case id. If an experiment observes more than
before, the new quantities are added to the file of a case.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from alae_conformance import case_files
from alae_conformance.answers import answers
from alae_conformance.case import Case, cases
from alae_conformance.covering import rows
from alae_conformance.drawing import draw_steady_tape
from alae_conformance.experiments.looking import UNSEEDED
from alae_conformance.fixture import fixtures
from alae_conformance.record import Report

#: relative and absolute tolerance between machines, which may sum in different orders
_SAME = 1e-12


def frozen_cases() -> list[Case]:
    """Return the cases with frozen numbers: all but the rows of the covering array."""
    return [case for case in cases().values() if case.fixture not in rows()]


def differences(case: Case) -> list[str]:
    """Return the names of a case's frozen outputs that differ from those that the reference computes now."""
    again, frozen = answers(case, case_files.read_tape(case.fixture)), case_files.read_expected(case.id)
    return _list_changed(again, frozen) + sorted(again.keys() - frozen.keys())


def _list_changed(again: Mapping[str, np.ndarray], frozen: Mapping[str, np.ndarray]) -> list[str]:
    """Return the names of frozen outputs that are missing now, or differ."""
    names = sorted(frozen.keys() - {f"noise/{UNSEEDED}"})
    return [name for name in names if name not in again or not _same(again[name], frozen[name])]


def _same(again: np.ndarray, frozen: np.ndarray) -> bool:
    if again.dtype.kind == "U" and frozen.dtype.kind == "i":
        return again.size == frozen  # the names of arrays that differ; the first cases froze their number
    if again.dtype.kind != "f":
        return np.array_equal(again, frozen)
    return again.shape == frozen.shape and bool(
        np.linalg.norm(again - frozen) <= _SAME * max(1.0, float(np.linalg.norm(frozen)))
    )


def _add_quantities(case: Case) -> None:
    """Freeze a case, or the quantities that its frozen outputs lack."""
    path = case_files.HOME / "expected" / f"{case.id}.npz"
    found = answers(case, case_files.read_tape(case.fixture))
    frozen = case_files.read_expected(case.id) if path.exists() else {}
    changed = _list_changed(found, frozen)
    if changed or found.keys() == frozen.keys():
        sys.exit(f"{path} exists, and its numbers are never changed: different numbers need a new case id")
    path.unlink(missing_ok=True)
    _write(path, found | dict(frozen))


def _write(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    if path.exists():
        sys.exit(f"{path} exists and is never overwritten: different numbers need a new case id")
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, allow_pickle=False, **arrays)
    print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


def main() -> None:
    """Freeze the named cases and fixtures, or check all."""
    wanted = sys.argv[1:]
    if not wanted:
        case_files.verify_files()
        changed = [f"{case.id}: {name}" for case in frozen_cases() for name in differences(case)]
        sys.exit("\n".join(["the reference no longer computes these numbers:", *changed]) if changed else 0)
    for name in wanted:
        if name in fixtures():
            _write(case_files.HOME / "tapes" / f"{name}.npz", draw_steady_tape(fixtures()[name]))
        else:
            _add_quantities(cases()[name])
    for name, model in (("case", Case), ("report", Report)):
        write_json(case_files.HOME.parent / f"{name}.schema.json", model.model_json_schema())
    write_json(case_files.HOME / "manifest.json", case_files.make_manifest())


def write_json(path: Path, data: Any) -> None:
    """Write data as a JSON file of the suite."""
    path.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()
