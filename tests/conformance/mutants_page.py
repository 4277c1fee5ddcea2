"""docs/mutants.md, and the numbers of faults and the table of limits in docs/conformance.md.

KERAS_BACKEND=jax python -m tests.conformance.mutants_page          judge every mutant and fault, and write both
KERAS_BACKEND=jax python -m tests.conformance.mutants_page --new    judge only those that the page lacks
"""

import math
import re
import sys
from collections.abc import Iterable

from alae_conformance.case import cases
from alae_conformance.tolerances import TOLERANCES, Lane, ToleranceClass
from tests.conformance import faulty_backends
from tests.conformance.contract_faults import CONTRACT_FAULTS
from tests.conformance.core_faults import CORE_FAULTS, GROUPS, CoreFault
from tests.conformance.core_faults.judging import measure
from tests.conformance.mutants import MUTANTS, Mutant, judge_reference, judge_subject, worst_of
from tests.conformance.mutants.page import PAGE, Ratios, read_ratios
from tests.conftest import REPOSITORY

#: a document with a generated table and numbers between <!-- NAME --> and <!-- /NAME -->, and these numbers
COUNTED = REPOSITORY / "docs" / "conformance.md"
COUNTS = {
    "mutants": len(MUTANTS),
    "patched-backends": len(faulty_backends.KILLS),
    "contract-faults": len(CONTRACT_FAULTS),
    "core-faults": len(CORE_FAULTS),
}

_TITLE = """# Mutants: the faults that the conformance suite catches

Each row is a fault that was injected on purpose, and the check of the case that must catch it; the tests in
`tests/conformance` run them all. [conformance.md](conformance.md) explains cases, checks and limits.
`python -m tests.conformance.mutants_page` writes this page.
"""
_MUTANTS = """## Faulty copies of the reference

A check counts as catching a fault only if it fails on the faulty copy and passes on the correct reference. The column
profile is the smallest that catches the fault. The last two columns are the error over the limit of both; inf marks an
exact check.
"""
_PATCHED = """## Patched backends

Real backends with one function replaced.
"""
_CORE = """## Faults of the core

One function or constant of `alae_core` is replaced, and the named check must fail on JAX, on PyTorch and on TensorFlow.
The last column is the error over the limit on PyTorch.
"""
_CONTRACT = """## Methods of the contract and of models

Methods of `Backend`, `Runner` and models, and those that a backend may replace in `BaseRunner`, are replaced in turn by
faulty ones, on the framework that the tests run on.
"""


def measure_ratios(known: Ratios) -> Ratios:
    """Judge every mutant, and on PyTorch every fault of the core, that is not known, and format its ratios."""
    ratios: Ratios = dict(known)
    for mutant in (mutant for mutant in MUTANTS if mutant.name not in known):
        found = worst_of(mutant.check, judge_subject(mutant.case, mutant.lane, mutant.make())).ratio
        control = worst_of(mutant.check, judge_reference(mutant.case, mutant.lane)).ratio
        ratios[mutant.name] = f"{found:.3g}", f"{control:.2g}"
    faults = [fault for fault in CORE_FAULTS if fault.fault not in known]
    for group in GROUPS.values():
        measured = measure("torch", [fault for fault in faults if group(fault)])
        ratios |= {fault.fault: (f"{measured[fault.name][0]:.3g}",) for fault in faults if group(fault)}
    return ratios


def render(ratios: Ratios) -> str:
    """Return the text of docs/mutants.md. Raises KeyError for a mutant or a fault of the core without ratios."""
    mutants = _table(
        ("mutant", "fault", "caught by (case, check)", "lane", "profile", "mutant", "reference"),
        ((m.name, m.fault, f"{m.case}, {m.check}", m.lane, _cheapest_profile(m), *ratios[m.name]) for m in MUTANTS),
    )
    patched = _table(
        ("backend", "fault", "caught by (case, check, lane)"),
        (
            (name, getattr(faulty_backends, name).__doc__.rstrip("."), ", ".join(kill))
            for name, kill in faulty_backends.KILLS.items()
        ),
    )
    core = _table(
        ("kind", "fault", "caught by (case, check)", "lane", "profile", "error / limit"),
        (
            (f.kind, f.fault, f"{f.case}, {f.check}", f.lane, _cheapest_profile(f), *ratios[f.fault])
            for f in CORE_FAULTS
        ),
    )
    contract = _table(
        ("method or attribute", "fault", "caught by (case, check)"),
        ((f"`{row.member}`", row.fault, f"{row.case}, {row.check}") for row in CONTRACT_FAULTS),
    )
    return "\n".join([_TITLE, _MUTANTS, mutants, _CORE, core, _PATCHED, patched, _CONTRACT, contract]).rstrip() + "\n"


def _cheapest_profile(fault: Mutant | CoreFault) -> str:
    """Return the smallest profile that runs a fault's case in its lane."""
    profile = cases()[fault.case].profile_in(fault.lane)
    return "standard" if profile == "smoke" and fault.lane != "float32" else profile


def with_counts(text: str, ratios: Ratios) -> str:
    """Return a document with the current table and numbers between its markers. Raises ValueError if it lacks one."""
    for name, current in {**COUNTS, "limits": f"\n{_limits(ratios)}"}.items():
        text, replaced = re.subn(
            rf"(<!-- {name} -->).*?(<!-- /{name} -->)", rf"\g<1>{current}\g<2>", text, flags=re.DOTALL
        )
        if not replaced:
            raise ValueError(f"the markers <!-- {name} --> and <!-- /{name} --> are missing")
    return text


def _limits(ratios: Ratios) -> str:
    """Return a table of the noise of correct backends and the weakest mutant, for each tolerance class and lane."""
    lanes: tuple[Lane, ...] = ("float32", "float64", "bfloat16")
    classes = dict.fromkeys(tolerance for tolerance, lane in TOLERANCES if lane in lanes)
    return _table(
        ("tolerance class", *(f"{lane}: {column}" for lane in lanes for column in ("noise", "weakest fault"))),
        ((each, *(cell for lane in lanes for cell in _noise_and_weakest(each, lane, ratios))) for each in classes),
    )


def _noise_and_weakest(tolerance: ToleranceClass, lane: Lane, ratios: Ratios) -> tuple[str, str]:
    if (tolerance, lane) not in TOLERANCES:
        return "–", "–"
    found = [m.name for m in MUTANTS if (cases()[m.case].tolerance, m.lane) == (tolerance, lane)]
    weakest = min(found, key=lambda name: float(ratios[name][0]), default=None)
    fault = f"{ratios[weakest][0]} ({weakest})" if weakest and float(ratios[weakest][0]) < math.inf else "–"
    return f"{TOLERANCES[tolerance, lane].noise:g}", fault


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def main() -> None:
    """Write the page and the numbers."""
    ratios = measure_ratios(read_ratios() if "--new" in sys.argv[1:] else {})
    PAGE.write_text(render(ratios), "utf-8")
    COUNTED.write_text(with_counts(COUNTED.read_text("utf-8"), ratios), "utf-8")


if __name__ == "__main__":
    main()
