"""Runs of an ablation, each in a process of its own; tests/workbench/ablation/test_study.py trains some."""

import json
import os
import signal
import sys
import time
from functools import partial

import joblib
import pytest

import alae_core as alae
from alae_workbench.ablation.matrix import Cell
from alae_workbench.ablation.processes import train_cells
from tests.helpers.processes import wait_for

LIMITS = ("OMP_NUM_THREADS", "NPROC", "TF_NUM_INTRAOP_THREADS")


def make_cells(folder, *variants):
    return [Cell(variant, 0, folder / variant) for variant in variants]


def record(cell):
    cell.path.write_text(json.dumps({"pid": os.getpid(), **{name: os.environ.get(name) for name in LIMITS}}))


def meet(cell):
    """The first cell ends after the second one, which ends after the first one has begun."""
    cell.path.with_suffix(".begun").touch()
    wait_for(cell.path.parent / ("b" if cell.variant == "a" else "a.begun"))
    if cell.variant == "a":
        # Until the process of the second cell has ended.
        time.sleep(3)
    record(cell)


def fail(error, cell):
    """The first cell waits for SIGTERM; the second one fails, or is killed."""
    if cell.variant == "a":
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(cell.path.touch()))
        cell.path.with_suffix(".begun").touch()
        time.sleep(60)
    wait_for(cell.path.parent / "a.begun")
    if error is None:
        os.kill(os.getpid(), signal.SIGKILL)
    raise error


@pytest.fixture(autouse=True)
def no_limits(monkeypatch):
    for name in LIMITS:
        monkeypatch.delenv(name, raising=False)


def test_each_run_has_its_own_process_and_a_share_of_the_cores(tmp_path, monkeypatch):
    monkeypatch.setenv("NPROC", "7")
    cells = make_cells(tmp_path, "a", "b", "c")
    assert sorted(cell.variant for cell in train_cells(record, cells, 2)) == ["a", "b", "c"]
    found = [json.loads(cell.path.read_text()) for cell in cells]
    assert len({each["pid"] for each in found} | {os.getpid()}) == 4
    share = str(max(1, joblib.cpu_count() // 2))
    for each in found:
        assert [each[name] for name in LIMITS] == [share, "7", share], "a variable that is set stays as it is"


def test_a_single_job_has_all_cores(tmp_path):
    (cell,) = train_cells(record, make_cells(tmp_path, "a"), 1)
    found = json.loads(cell.path.read_text())
    assert [found[name] for name in LIMITS] == [None, None, None]
    assert found["pid"] != os.getpid()


def test_runs_that_finish_first_are_told_first(tmp_path):
    assert [cell.variant for cell in train_cells(meet, make_cells(tmp_path, "a", "b"), 2)] == ["b", "a"]


def assert_starts_processes(folder):
    """Assert that the engine of `joblib.parallel_config` runs two cells at once."""
    cells = make_cells(folder, "a", "b")
    assert sorted(cell.variant for cell in train_cells(meet, cells, 2)) == ["a", "b"]
    assert len({json.loads(cell.path.read_text())["pid"] for cell in cells}) == 2


def test_another_engine_of_joblib_starts_the_processes(tmp_path):
    with joblib.parallel_config("loky"):
        assert_starts_processes(tmp_path)


@pytest.mark.slow
def test_ray_starts_the_processes(tmp_path, monkeypatch):
    ray = pytest.importorskip("ray", reason="the extra [ray] is not installed")
    from ray.util.joblib import register_ray

    register_ray()
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    ray.init("local", num_cpus=2, log_to_driver=False)
    try:
        with joblib.parallel_config("ray"):
            assert_starts_processes(tmp_path)
    finally:
        ray.shutdown()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM")
@pytest.mark.parametrize(
    ("error", "message"),
    [
        (alae.ArgumentError("steps", "is 0"), "^steps is 0$"),
        (None, "the process that trained .*b was killed: fewer jobs"),
    ],
)
def test_an_error_in_one_run_ends_the_others_after_they_have_saved(tmp_path, error, message):
    with pytest.raises(alae.AlaeError, match=message):
        list(train_cells(partial(fail, error), make_cells(tmp_path, "a", "b", "c"), 2))
    assert (tmp_path / "a").exists()
    assert not (tmp_path / "c.begun").exists()
