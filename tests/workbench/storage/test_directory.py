"""Run directories in the states left by earlier commands and by users."""

from types import SimpleNamespace

import pytest

from alae_workbench.storage.directory import Run


def list_names(run):
    return {path.name for path in run.checkpoints.iterdir()}


def go_back(run, to, step):
    run.begin("batch_size: 6\n", SimpleNamespace(path=run.checkpoints / to, step=step))


@pytest.fixture
def run(tmp_path):
    made = Run(tmp_path)
    for step in (10, 20):
        (made.checkpoints / f"step-{step:08d}" / "content").mkdir(parents=True)
    return made


def test_checkpoints_set_aside_never_overwrite_earlier_ones(run):
    for number in range(3):
        if number:
            (run.checkpoints / "step-00000020" / "content").mkdir(parents=True)
        go_back(run, "step-00000010", 10)
    (run.checkpoints / "abandoned-step-00000020" / "content").rmdir()
    (run.checkpoints / "abandoned-step-00000020").rmdir()
    (run.checkpoints / "step-00000020" / "content").mkdir(parents=True)
    go_back(run, "step-00000010", 10)
    assert list_names(run) == {"step-00000010", *(f"abandoned{n}-step-00000020" for n in ("", "-2", "-3"))}


def test_resuming_from_a_checkpoint_set_aside_sets_aside_only_the_others(run):
    go_back(run, "step-00000010", 10)
    (run.checkpoints / "step-00000020").mkdir()
    go_back(run, "abandoned-step-00000020", 20)
    assert list_names(run) == {"step-00000010", "abandoned-step-00000020", "abandoned-2-step-00000020"}


@pytest.mark.parametrize(
    "torn",
    [b'{"step": 1' + b"0" * 400 + b"}\n", b"[" * 200_000 + b"\n", b'{"step": 1'],
    ids=["huge number", "deep nesting", "torn line"],
)
def test_invalid_records_are_dropped_from_metrics(run, torn):
    run.metrics.write_bytes(b'{"step": 5}\n' + torn)
    go_back(run, "step-00000020", 20)
    assert run.metrics.read_bytes() == b'{"step": 5}\n'
