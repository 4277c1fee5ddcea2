"""Tapes and expected values: drawn and computed here, frozen as files, computed again and compared in CI.

    python -m alae_conformance.freeze CASE_OR_FIXTURE…   write what is new, the manifest and the schemas
    python -m alae_conformance.freeze                    compute everything again and compare

Writing refuses to touch a file that exists: other numbers need another case id.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from alae_conformance import vectors
from alae_conformance.numbers import answers, draw_steady
from alae_conformance.record import Report
from alae_conformance.vectors import Case

#: the same numbers computed elsewhere: sums in another order
_SAME = 1e-12


def differences(case: Case) -> list[str]:
    """The frozen numbers of a case that the reference does not compute again, by name."""
    again, frozen = answers(case, vectors.tape(case.fixture)), vectors.expected(case.id)
    names = sorted(again.keys() | frozen.keys())
    return [name for name in names if name not in again or name not in frozen or not _same(again[name], frozen[name])]


def _same(again: np.ndarray, frozen: np.ndarray) -> bool:
    if again.dtype.kind == "U" and frozen.dtype.kind == "i":
        return again.size == frozen  # the names of what differs; of the first cases their number was frozen
    if again.dtype.kind != "f":
        return np.array_equal(again, frozen)
    return again.shape == frozen.shape and bool(
        np.linalg.norm(again - frozen) <= _SAME * max(1.0, float(np.linalg.norm(frozen)))
    )


def _write(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    if path.exists():
        sys.exit(f"{path} exists and stays as it is: other numbers need another case id")
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, allow_pickle=False, **arrays)
    print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


def main() -> None:
    """See the module's docstring."""
    wanted = sys.argv[1:]
    if not wanted:
        vectors.verify()
        changed = [f"{case.id}: {name}" for case in vectors.cases().values() for name in differences(case)]
        sys.exit("\n".join(["the reference computes other numbers:", *changed]) if changed else 0)
    for name in wanted:
        if name in vectors.fixtures():
            _write(vectors.HOME / "tapes" / f"{name}.npz", draw_steady(vectors.fixtures()[name]))
        else:
            case = vectors.cases()[name]
            _write(vectors.HOME / "expected" / f"{name}.npz", answers(case, vectors.tape(case.fixture)))
    for name, model in (("case", Case), ("report", Report)):
        _write_json(vectors.HOME.parent / f"{name}.schema.json", model.model_json_schema())
    _write_json(vectors.HOME / "manifest.json", vectors.make_manifest())


def _write_json(path: Path, data: Any) -> None:
    path.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()
