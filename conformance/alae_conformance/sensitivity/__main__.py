"""Print the smallest relative change of each constant that fails, as a table.

    python -m alae_conformance.sensitivity [NAME …] [--write DOCUMENT]

A NAME is a part of a constant's name, such as "gamma". With `--write`, the table replaces the one in a document.
"""

import argparse
from pathlib import Path

from alae_conformance.numbers import Frozen
from alae_conformance.sensitivity.constants import CONSTANTS
from alae_conformance.sensitivity.measure import measure
from alae_conformance.sensitivity.table import read_rows, row_of, write_table


def main() -> None:
    """Measure constants, and print or write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="measure only constants with this in their name")
    parser.add_argument("--write", type=Path, metavar="DOCUMENT", help="replace the rows of this document's table")
    options = parser.parse_args()
    numbers = Frozen()
    rows = {} if options.write is None else read_rows(options.write.read_text("utf-8"))
    for constant in CONSTANTS:
        if not options.names or any(name in constant.name for name in options.names):
            rows[constant.name] = row_of(constant, measure(constant, numbers))
            print(rows[constant.name], flush=True)
    if options.write is not None:
        options.write.write_text(write_table(options.write.read_text("utf-8"), rows), "utf-8")


if __name__ == "__main__":
    main()
