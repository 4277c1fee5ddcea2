"""The ratios in docs/mutants.md."""

from tests.conftest import REPOSITORY

PAGE = REPOSITORY / "docs" / "mutants.md"
#: error / limit as text: of a mutant and the correct reference by the mutant's name, of a fault of the core by its text
Ratios = dict[str, tuple[str, ...]]
#: by the number of columns of a table with ratios: the columns of the key, and of the ratios
_TABLES = {7: (0, slice(-2, None)), 6: (1, slice(-1, None))}


def read_ratios() -> Ratios:
    """Return the ratios in the page."""
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in PAGE.read_text("utf-8").splitlines()]
    tables = [(row, *_TABLES[len(row)]) for row in rows if len(row) in _TABLES]
    return {row[key]: tuple(row[ratios]) for row, key, ratios in tables}
