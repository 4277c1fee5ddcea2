"""The live view of a run in a notebook."""

import os
import re
import sys
from types import SimpleNamespace

import pytest

import alae_workbench as bench
from alae_workbench.runs.notebook import in_notebook
from alae_workbench.runs.progress import Terminal
from tests.conftest import TINY

SMALL = {key: value for key, value in TINY.items() if key.startswith("networks")} | {"training.report_every": 2}


@pytest.fixture
def views(monkeypatch):
    """Replace IPython by a kernel that records each view of a cell's output as HTML."""
    views = []

    def display(view, display_id):
        assert display_id is True
        views.append(view._repr_html_())
        return SimpleNamespace(update=lambda view: views.append(view._repr_html_()))

    # Matplotlib reads the version.
    kernel = SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=None), version_info=(9, 0))
    monkeypatch.setitem(sys.modules, "IPython", kernel)
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=display))
    return views


def test_a_notebook_is_recognised(views, monkeypatch):
    assert in_notebook()
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: SimpleNamespace()))
    assert not in_notebook(), "IPython at a terminal has no kernel"
    monkeypatch.delitem(sys.modules, "IPython")
    assert not in_notebook()


@pytest.mark.usefixtures("backend")
def test_the_view_shows_progress_curves_and_the_last_grid(views, tmp_path, capsys):
    options = {"overrides": SMALL, "out": tmp_path / "<run>", "backend": os.environ["KERAS_BACKEND"]}
    run = bench.train("digits-mlp", steps=6, **options)
    first, *_, last = views
    assert "compiling" in first
    assert "<img" not in first
    assert re.search(r'<progress value="6" max="6"', last)
    assert re.search(f"finished after .*: {run.checkpoint}".replace("<run>", "&lt;run&gt;"), last)
    assert "<run>" not in "".join(views)
    assert last.count("data:image/png;base64,") == 2, "curves and the grid"
    assert capsys.readouterr().out == "", "the view replaces the lines of a terminal"


def test_notes_of_a_run_that_does_not_start_are_printed(views, capsys):
    bench.Notebook().on_note("runs/digits is finished")
    assert capsys.readouterr().out == "runs/digits is finished\n"
    assert not views


def test_a_command_that_a_notebook_calls_prints_plain_lines(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")  # as Jupyter does
    assert not Terminal().console.is_terminal
