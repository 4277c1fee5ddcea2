"""The feature cache: rows are computed once, resumed after an interruption, and not mixed between processes."""

import numpy as np
import pytest

from alae_workbench.evaluation.cache import Cache

EXPECTED = np.arange(10, dtype=np.float32)[:, None] * [1, 10]


def compute_rows(calls, fail_at=None):
    """Return a function that computes ten rows in parts of four, and appends each part to `calls`."""

    def compute(start):
        for first in range(start // 4 * 4, 10, 4):
            if first == fail_at:
                raise KeyboardInterrupt
            calls.append(first)
            yield first, np.arange(first, min(first + 4, 10), dtype=np.float32)[:, None] * [1, 10]

    return compute


def test_rows_are_computed_once(tmp_path):
    cache, calls = Cache(tmp_path / "new" / "folder"), []
    for _ in range(2):
        np.testing.assert_array_equal(cache.rows("rows", {"of": "a"}, 10, 2, compute_rows(calls)), EXPECTED)
    assert calls == [0, 4, 8]
    cache.rows("rows", {"of": "b"}, 10, 2, compute_rows(calls))
    assert calls == [0, 4, 8, 0, 4, 8]


def test_interrupted_rows_continue(tmp_path):
    cache, calls = Cache(tmp_path), []
    with pytest.raises(KeyboardInterrupt):
        cache.rows("rows", {}, 10, 2, compute_rows(calls, fail_at=8))
    (growing,) = tmp_path.glob("*/rows.part")
    # As after a crash in the middle of a row.
    growing.write_bytes(growing.read_bytes()[: 4 * 2 * 6 + 3])
    reported = []

    class Progress:
        def __init__(self, total, things):
            assert (total, things) == (10, "rows")

        def __enter__(self):
            return reported.append

        def __exit__(self, *error):
            pass

    rows = Cache(tmp_path, progress=Progress).rows("rows", {}, 10, 2, compute_rows(calls))
    np.testing.assert_array_equal(rows, EXPECTED)
    assert calls == [0, 4, 4, 8]
    assert sum(reported) == 10
    assert [path.suffix for path in tmp_path.iterdir()] == [".f32"]


def test_two_processes_that_compute_the_same_rows_do_not_mix_them(tmp_path):
    cache, calls, inner = Cache(tmp_path), [], []

    def compute(start):
        for first, part in compute_rows(calls)(start):
            if first == 4:
                inner.append(cache.rows("rows", {}, 10, 2, compute_rows([])))
            yield first, part

    np.testing.assert_array_equal(cache.rows("rows", {}, 10, 2, compute), EXPECTED)
    np.testing.assert_array_equal(inner[0], EXPECTED)
    np.testing.assert_array_equal(cache.rows("rows", {}, 10, 2, compute_rows([])), EXPECTED)
    assert calls == [0, 4, 8]


def test_without_a_directory_nothing_is_cached(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    calls = []
    for _ in range(2):
        np.testing.assert_array_equal(Cache().rows("rows", {}, 10, 2, compute_rows(calls)), EXPECTED)
    assert calls == [0, 4, 8, 0, 4, 8]
    assert not list(tmp_path.iterdir())
