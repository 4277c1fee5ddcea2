"""The script for a GPU keeps its results if a command hangs, fails or gets no time."""

import json

import pytest

from benchmarks import gpu

SLEEP = ("timeit", "-n1", "-r1", "import time; time.sleep(60)")


def run_tasks(monkeypatch, out, tasks, *words):
    monkeypatch.setattr(gpu, "list_tasks", lambda options: tasks)
    monkeypatch.setattr("sys.argv", ["gpu", "--out", str(out), *words])
    with pytest.raises(SystemExit) as ended:
        gpu.main()
    return ended.value.code, json.loads((out / "results.json").read_text("utf-8"))


def test_each_result_is_written_and_a_failure_does_not_stop_the_others(monkeypatch, tmp_path, capsys):
    tasks = [gpu.Task("bad", ("timeit", "1/0"), 60), gpu.Task("slow", SLEEP, 1), gpu.Task("good", ("this",), 60)]
    code, results = run_tasks(monkeypatch, tmp_path, tasks)
    assert (code, [each["code"] for each in results]) == (1, [1, None, 0])
    assert any("ZeroDivisionError" in line for line in results[0]["lines"])
    assert "slow: ran out of time after 1 s" in capsys.readouterr().out
    text = (tmp_path / "results.md").read_text("utf-8")
    assert "## bad: failed with exit code 1" in text
    assert "Namespaces are one honking great idea" in text
    assert (tmp_path / "good.log").exists()


def test_no_command_starts_without_time(monkeypatch, tmp_path):
    code, results = run_tasks(monkeypatch, tmp_path, [gpu.Task("late", SLEEP, 60)], "--minutes", "0.1")
    assert (code, results[0]["lines"]) == (1, ["no time was left"])


def test_wheels_are_installed_first(tmp_path):
    (tmp_path / "one.whl").touch()
    options = gpu.argparse.Namespace(wheels=tmp_path, out=tmp_path / "out", quick=False, device="gpu")
    first, *rest = gpu.list_tasks(options)
    assert first.words[-2:] == (str(tmp_path / "out" / "packages"), str(tmp_path / "one.whl"))
    assert [task.name for task in rest][:3] == ["devices", "conformance jax", "conformance torch"]
    assert [task.name for task in rest if task.name.startswith("step")][-1] == "step ffhq torch"
