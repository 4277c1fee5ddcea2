"""The ratios of mutants in docs/mutants.md."""

from tests.conftest import REPOSITORY

PAGE = REPOSITORY / "docs" / "mutants.md"
#: error / limit of a mutant and of the correct reference, as text, by the mutant's name
Ratios = dict[str, tuple[str, str]]
_COLUMNS = 7


def read_ratios() -> Ratios:
    """Return the ratios in the page."""
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in PAGE.read_text("utf-8").splitlines()]
    return {row[0]: (row[-2], row[-1]) for row in rows if len(row) == _COLUMNS}
