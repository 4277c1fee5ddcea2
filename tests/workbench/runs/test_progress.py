"""The progress of a run, at a terminal and elsewhere."""

import io
from types import SimpleNamespace

import pytest
from rich.console import Console

from alae_workbench.runs.observers import Level, Report, Start
from alae_workbench.runs.progress import Terminal
from alae_workbench.storage.directory import Run, Summary
from tests.conftest import tiny_config

LOSSES = {"discriminator": 0.5, "generator": 10.0, "reciprocity": 1.25}


@pytest.fixture
def show(tmp_path):
    """Show two reports of a run on a console; returns what it printed."""
    updates = [SimpleNamespace(name=name, symbol=name[0].upper()) for name in LOSSES]
    model = SimpleNamespace(config=tiny_config(), updates=updates, has=lambda networks: True)

    def call(**options):
        output = io.StringIO()
        terminal = Terminal(Console(file=output, legacy_windows=False, **options))
        terminal.on_start(Start(Run(tmp_path), model, 0, 20, "a run"))
        terminal.on_level(Level("training", 1, 1))
        for step, left in ((10, 120.0), (20, 0.0)):
            terminal.on_report(Report(step, None, LOSSES, {"reciprocity_error": 0.5}, 4.0, left))
        terminal.on_finish(Summary(tmp_path, 20, {}, {}, tmp_path / "checkpoint", None, "SIGINT"))
        return output.getvalue()

    return call


def test_elsewhere_the_progress_is_a_line_per_report(show):
    assert show(width=200).splitlines()[1:5] == [
        "losses: D discriminator, G generator, R reciprocity; e reciprocity error",
        "compiling …",
        "10/20      4 images/s     2 min left  D 0.500 G 10.00 R 1.250  e 0.500",
        "20/20      4 images/s       0 s left  D 0.500 G 10.00 R 1.250  e 0.500",
    ]


def test_the_table_at_the_end_has_baselines_doubts_and_a_conclusion(tmp_path):
    output = io.StringIO()
    measures = {"reconstruction_error": 0.3, "mean_image_error": 0.265, "nearest_image_error": 0.2, "overfitting": 0.25}
    summary = Summary(tmp_path, 20, {}, measures, tmp_path / "checkpoint", None, images={"held_out": 40})
    Terminal(Console(file=output, width=120)).on_finish(summary)
    lines = output.getvalue().splitlines()
    assert any("the same error of the mean training image" in line and "0.2650 " in line for line in lines)
    assert any("overfitting" in line and "0.2500 !" in line for line in lines)
    assert lines[-3:-1] == [
        "! only 40 held-out images; at least 100 are needed: overfitting",
        "reconstructions are no better than the mean image (0.265): too few steps or images",
    ]


def test_at_a_terminal_the_progress_is_one_line_that_fits(show):
    out = show(width=60, force_terminal=True, color_system=None)
    assert "10/20     2 min left  D 0.500 G 10.00 R 1.250  ━━━━━━╌╌╌╌╌╌╌" in out
    assert "compiling …" in out
    assert out.endswith(f"checkpoint  {out.split()[-1]}\n")
    assert "\x1b[?25h" in out, "the cursor is shown again"
