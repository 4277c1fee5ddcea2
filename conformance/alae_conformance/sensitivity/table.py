"""The table of the smallest changes that fail, in Markdown."""

import re
from collections.abc import Mapping
from math import ceil, floor, inf, log10

from alae_conformance.sensitivity.constants import CONSTANTS, Constant
from alae_conformance.sensitivity.measure import MEASURED
from alae_conformance.tolerances import Lane

#: the table is between these comments of a document
_START, _END = "<!-- sensitivity -->\n", "<!-- /sensitivity -->"
_HEAD = f"| constant | {' | '.join(MEASURED)} | case |\n| --- | {' | '.join('---' for _ in MEASURED)} | --- |\n"


def row_of(constant: Constant, found: Mapping[Lane, tuple[float, str]]) -> str:
    """Return a row: the smallest change that fails in each lane, and the case of the smallest of them in float32."""
    cells = [percent(found[lane][0]) if lane in found else "–" for lane in MEASURED]
    _, case = found.get("float32") or min(found.values())
    return f"| {' | '.join([constant.name, *cells, case])} |"


def percent(change: float) -> str:
    """Return a change in percent, rounded up to one digit."""
    if change == inf:
        return "none"
    unit = 10.0 ** floor(log10(100 * change))
    rounded = ceil(100 * change / unit * (1 - 1e-9)) * unit
    return f"{rounded:.{max(-floor(log10(rounded) + 1e-9), 0)}f} %"


def parse_percent(text: str) -> float:
    """Return the change that a cell shows; infinite if no change fails or the lane has no case."""
    return inf if text in ("none", "–") else float(text.removesuffix(" %")) / 100


def read_rows(document: str) -> dict[str, str]:
    """Return the rows of a document's table by the name of the constant."""
    lines = document.split(_START)[1].split(_END)[0].splitlines()[2:]
    return {line.split("|")[1].strip(): line for line in lines}


def write_table(document: str, rows: Mapping[str, str]) -> str:
    """Return a document with these rows in its table, in the order of the constants."""
    lines = "\n".join(rows[constant.name] for constant in CONSTANTS if constant.name in rows)
    table = f"{_START}{_HEAD}{lines}\n{_END}"
    return re.sub(f"{re.escape(_START)}.*?{re.escape(_END)}", lambda _: table, document, flags=re.DOTALL)
