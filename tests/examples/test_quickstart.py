"""examples/quickstart.py and the notebook made from it."""

import importlib.util
import json
import runpy
from base64 import b64decode

import pytest

from tests.conftest import REPOSITORY
from tests.helpers.python import run_python

EXAMPLES = REPOSITORY / "examples"
BUILDER = runpy.run_path(str(EXAMPLES / "build_notebook.py"))
SCRIPT = EXAMPLES / "quickstart.py"
CELLS = BUILDER["read_cells"](SCRIPT.read_text("utf-8"))


def list_outputs(notebook):
    return [output for cell in notebook["cells"] for output in cell.get("outputs", ())]


def list_pictures(notebook):
    """Return the bytes of all PNG pictures in the outputs."""
    contents = [output["data"] for output in list_outputs(notebook) if "data" in output]
    pictures = [b64decode(data["image/png"]) for data in contents if "image/png" in data]
    inline = "".join("".join(data.get("text/html", "")) for data in contents)
    return pictures + [b64decode(part.partition('"')[0]) for part in inline.split("data:image/png;base64,")[1:]]


def test_cells_are_read_from_the_percent_format():
    script = "# ---\n# kernel\n# ---\n\n# %% [markdown]\n# # Title\n#\n# Text.\n\n# %%\nx = 1\n# comment\n\n# %%\nx\n"
    found = BUILDER["read_cells"](script)
    assert found == [("markdown", "# Title\n\nText."), ("code", "x = 1\n# comment"), ("code", "x")]


def test_the_notebook_is_made_from_the_script():
    text = (EXAMPLES / "quickstart.ipynb").read_text("utf-8")
    notebook = json.loads(text)
    made = [(cell["cell_type"], "".join(cell["source"])) for cell in notebook["cells"]]
    assert made == CELLS, "run examples/build_notebook.py"
    assert len(text.encode()) < 1e6
    assert not [output for output in list_outputs(notebook) if output["output_type"] == "error"]
    pictures = list_pictures(notebook)
    assert len(pictures) >= 10
    assert all(picture.startswith(b"\x89PNG") for picture in pictures)


def test_the_first_line_of_code_says_when_to_import_keras():
    first = next(source for kind, source in CELLS if kind == "code")
    assert first.startswith("# Import alae before Keras")


@pytest.mark.slow
@pytest.mark.framework
def test_the_script_runs_without_a_notebook(tmp_path):
    """With few steps: the notebook below takes all of them."""
    script = SCRIPT.read_text("utf-8")
    for long, short in (("steps=400", "steps=8"), ("6_400", "1_000"), ("steps=600", "steps=8"), ('"420"', '"10"')):
        assert long in script
        script = script.replace(long, short)
    (tmp_path / "quickstart.py").write_text(script, "utf-8")
    assert "after 10 steps" in run_python(["quickstart.py"], tmp_path), "the run did not continue on another framework"


@pytest.mark.slow
@pytest.mark.framework
@pytest.mark.skipif(importlib.util.find_spec("nbclient") is None, reason="nbclient is not installed")
def test_the_notebook_runs_and_shows_pictures(tmp_path, monkeypatch):
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    notebook = BUILDER["run_notebook"](BUILDER["make_notebook"](CELLS), tmp_path)
    live = [cell for cell in notebook["cells"] if "bench.train(" in "".join(cell["source"])]
    for cell in live[1:]:
        assert "<progress" in json.dumps(cell["outputs"]), "training is shown live"
    assert len(list_pictures(notebook)) >= 10
