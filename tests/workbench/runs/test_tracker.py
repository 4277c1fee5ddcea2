"""`Tracker` logs to packages with the functions of wandb, here to one that records its calls."""

import os
import sys
from types import SimpleNamespace

import pytest

import alae_core as alae
from alae_workbench import train
from alae_workbench.runs.observers import Report
from alae_workbench.runs.tracker import Tracker
from alae_workbench.storage.directory import Run
from tests.helpers.runs import SMALL_RUN

BACKEND = os.environ.get("KERAS_BACKEND", "jax")
PACKAGE = """
calls = []
def init(**options): calls.append(("init", options))
def log(values, step): calls.append(("log", values, step))
def finish(): calls.append(("finish",))
class Image:
    def __init__(self, path): self.path = path
"""


@pytest.fixture(params=["wandb", "trackio"])
def name(request, tmp_path, monkeypatch):
    """The name of a package that records its calls."""
    (tmp_path / "packages").mkdir()
    (tmp_path / "packages" / f"{request.param}.py").write_text(PACKAGE)
    monkeypatch.syspath_prepend(tmp_path / "packages")
    monkeypatch.delitem(sys.modules, request.param, raising=False)
    yield request.param
    sys.modules.pop(request.param, None)


@pytest.fixture
def start(tmp_path):
    """A run before its first step."""
    run = Run(tmp_path / "run")
    run.path.mkdir()
    run.config.write_text("seed: 3")
    return SimpleNamespace(run=run, step=0)


@pytest.mark.framework
def test_a_run_and_its_continuation_log_to_the_same_record(tmp_path, name):
    fields = {"overrides": SMALL_RUN, "backend": BACKEND, "out": tmp_path / "run", "resume": "auto"}
    train("digits-mlp", steps=5, observers=[Tracker(name)], **fields)
    calls = sys.modules[name].calls
    (_, options), *logged, finish = calls
    assert (options["project"], options["resume"]) == ("alae", "allow")
    assert options["name"].startswith("run-")
    assert options["config"]["batch_size"] == 16
    assert finish == ("finish",)
    losses = next(values for _, values, step in logged if step == 5 and "losses/generator" in values)
    assert {"losses/discriminator", "losses/reciprocity", "images_per_second"} <= losses.keys()
    assert any("summary/reconstruction_error" in values for _, values, _ in logged)
    calls.clear()
    train("digits-mlp", steps=10, observers=[Tracker(name)], **fields)
    assert calls[0][1]["name"] == options["name"]
    assert calls[0][1].get("id") == options.get("id")
    assert {step for _, _, step in calls[1:-1]} == {10}


def test_grids_are_logged_as_images(name, start, tmp_path):
    tracker = Tracker(name)
    tracker.on_start(start)
    tracker.on_grid(7, tmp_path / "grid.png")
    _, values, step = sys.modules[name].calls[-1]
    assert (step, values["grid"].path) == (7, str(tmp_path / "grid.png"))


def test_a_new_run_in_the_same_directory_has_a_record_of_its_own(name, start):
    for _ in range(2):
        Tracker(name).on_start(start)
    first, second = (options["name"] for _, options in sys.modules[name].calls)
    assert first != second


def test_a_variable_names_the_project(name, start, monkeypatch):
    monkeypatch.setenv(f"{name.upper()}_PROJECT", "faces")
    Tracker(name).on_start(start)
    assert sys.modules[name].calls[0][1]["project"] == "faces"


def test_a_tracker_that_does_not_start_ends_the_run_with_one_line(name, start, monkeypatch):
    tracker = Tracker(name)
    tracker.on_start(start)

    def fail(**options):
        raise RuntimeError("no API key\nlog in first")

    monkeypatch.setattr(sys.modules[name], "init", fail)
    with pytest.raises(alae.AlaeError, match=rf"^--log {name}: no API key"):
        tracker.on_start(start)


def test_a_tracker_that_fails_later_does_not_end_the_run(name, start, monkeypatch):
    tracker = Tracker(name)
    tracker.on_start(start)

    def fail(values, step):
        raise ConnectionError("connection lost")

    monkeypatch.setattr(sys.modules[name], "log", fail)
    report = Report(5, None, {"generator": 0.5}, {}, 100.0)
    with pytest.warns(UserWarning, match=f"{name} failed, and the run goes on without it: connection lost"):
        tracker.on_report(report)
    tracker.on_report(report)
    tracker.close()
    assert [call[0] for call in sys.modules[name].calls] == ["init"]


def test_a_package_that_is_absent_is_refused(monkeypatch):
    monkeypatch.setattr("alae_workbench.runs.tracker.find_spec", lambda name: None)
    with pytest.raises(alae.ArgumentError, match="log is wandb, which is not installed: pip install wandb"):
        Tracker("wandb")
