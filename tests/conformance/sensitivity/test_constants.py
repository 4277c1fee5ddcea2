"""Every number of the configuration is among the constants, and the table of the smallest changes is current."""

from math import inf
from types import UnionType
from typing import Annotated, Union, get_args, get_origin

import pytest

from alae_conformance.case import cases
from alae_conformance.numbers import Frozen
from alae_conformance.sensitivity.constants import CONSTANTS
from alae_conformance.sensitivity.measure import MEASURED, ratio_of
from alae_conformance.sensitivity.table import parse_percent, percent, read_rows, write_table
from alae_core.config import Config
from tests.conftest import REPOSITORY, slow

PAGE = REPOSITORY / "docs" / "conformance.md"
#: constants that are measured again in fast tests
QUICK = {"`r1_gamma`", "side of a cut-out", "ε of G's instance norm"}


def numbers_of(model, prefix=""):
    """Yield the dotted key of every field that is not a whole number, in groups too."""
    for name, field in model.model_fields.items():
        if float in types_in(field.annotation):
            yield f"{prefix}{name}"
        for group in (part for part in types_in(field.annotation) if hasattr(part, "model_fields")):
            # The perceptrons have the same fields.
            yield from numbers_of(group, f"{prefix}{'F' if name in 'GED' else name}.")


def types_in(annotation):
    """Return the plain types in an annotation."""
    if get_origin(annotation) in (Union, UnionType, Annotated, tuple):
        return [kind for part in get_args(annotation) for kind in types_in(part)]
    return [annotation]


def test_every_number_of_the_configuration_is_measured():
    names = " ".join(constant.name for constant in CONSTANTS)
    assert [key for key in dict.fromkeys(numbers_of(Config)) if f"`{key}`" not in names] == []


def test_the_table_lists_every_constant_and_each_meets_its_aim():
    text = PAGE.read_text("utf-8")
    rows = read_rows(text)
    assert write_table(text, rows) == text
    assert list(rows) == [constant.name for constant in CONSTANTS]
    for constant in CONSTANTS:
        cells = [cell.strip() for cell in rows[constant.name].split("|")[2 : 2 + len(MEASURED)]]
        assert min(map(parse_percent, cells)) <= constant.aim, constant.name


@pytest.mark.parametrize(
    "constant",
    [
        *slow(*(each for each in CONSTANTS if each.name not in QUICK)),
        *(each for each in CONSTANTS if each.name in QUICK),
    ],
    ids=lambda constant: constant.name,
)
def test_the_documented_change_fails_and_a_small_part_of_it_passes(constant):
    rows, numbers = read_rows(PAGE.read_text("utf-8")), Frozen()
    cells = [cell.strip() for cell in rows[constant.name].split("|")[2:-1]]
    case, documented = cases()[cells[-1]], parse_percent(cells[0] if cells[0] != "–" else cells[1])
    lane = "float32" if cells[0] != "–" else "float64"
    assert ratio_of(constant, case, lane, documented, numbers) > 1
    assert ratio_of(constant, case, lane, documented / 20, numbers) <= 1


@pytest.mark.parametrize(
    ("change", "text"), [(0.00234, "0.3 %"), (0.01, "1 %"), (0.2, "20 %"), (1e-8, "0.000001 %"), (inf, "none")]
)
def test_changes_are_shown_in_percent_rounded_up(change, text):
    assert percent(change) == text
    assert parse_percent(text) >= change * (1 - 1e-9)
