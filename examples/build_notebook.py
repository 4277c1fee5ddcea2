"""Make examples/quickstart.ipynb from examples/quickstart.py, a script in the percent format of Jupytext, and run it.

    python examples/build_notebook.py

Needs nbclient and ipykernel (`pip install 'alae[dev]'`). Edit the script, never the notebook.
"""

import json
import re
import tempfile
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).parent / "quickstart.py"
NOTEBOOK = SCRIPT.with_suffix(".ipynb")
_KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def read_cells(script: str) -> list[tuple[str, str]]:
    """Return the cells of a script in the percent format: pairs of "code" or "markdown", and the source."""
    _, *parts = re.split(r"^# %%(.*)\n", script, flags=re.MULTILINE)
    cells = []
    for header, body in zip(parts[::2], parts[1::2], strict=True):
        kind = "markdown" if header.strip() == "[markdown]" else "code"
        source = body.strip("\n")
        cells.append((kind, re.sub(r"^# ?", "", source, flags=re.MULTILINE) if kind == "markdown" else source))
    return cells


def make_notebook(cells: list[tuple[str, str]]) -> dict[str, Any]:
    """Return a notebook (nbformat 4.5) without outputs."""
    return {
        "cells": [
            {"cell_type": kind, "id": f"cell-{number}", "metadata": {}, "source": source}
            | ({"execution_count": None, "outputs": []} if kind == "code" else {})
            for number, (kind, source) in enumerate(cells)
        ],
        "metadata": {"kernelspec": _KERNEL, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def run_notebook(notebook: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Run a notebook in a folder, and return it with its outputs. Raises CellExecutionError if a cell fails."""
    import nbformat
    from nbclient import NotebookClient

    node = nbformat.from_dict(notebook)
    client = NotebookClient(node, timeout=1200, kernel_name="python3", resources={"metadata": {"path": str(folder)}})
    client.execute()
    for cell in node.cells:
        cell.metadata.pop("execution", None)  # times of day
        for output in cell.get("outputs", ()):
            if "image/png" in output.get("data", {}):
                output.data.pop("image/jpeg", None)  # Pillow's images come as both
    return json.loads(nbformat.writes(node))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        executed = run_notebook(make_notebook(read_cells(SCRIPT.read_text("utf-8"))), Path(folder))
    executed["metadata"] = {"kernelspec": _KERNEL, "language_info": {"name": "python"}}  # without versions
    NOTEBOOK.write_text(json.dumps(executed, indent=1, ensure_ascii=False) + "\n", "utf-8")
    print(f"{NOTEBOOK}: {NOTEBOOK.stat().st_size / 1e3:,.0f} kB")
