"""Processes that end together, as threads that share a dictionary."""

import signal
import threading
import time
from collections.abc import Callable

import pytest

from alae_core import PeerError
from alae_workbench.runs import together
from alae_workbench.runs.stop_signal import Stop
from alae_workbench.runs.together import Together


class Peers:
    """Processes that share a dictionary; `lost` raises what a broken connection raises."""

    def __init__(self, rank: int, published: dict[str, str], processes: int = 2) -> None:
        self.rank, self.processes, self.published, self.lost = rank, processes, published, False

    def publish(self, key: str, text: str) -> None:
        self.published[key] = text

    def read(self, key: str) -> str | None:
        if self.lost:
            raise PeerError("the first process was lost")
        return self.published.get(key)


class Ends:
    """Records how a process is ended."""

    def __init__(self) -> None:
        self.found: list[tuple[int, str]] = []
        self.came = threading.Event()

    def __call__(self, code: int, text: str) -> None:
        self.found.append((code, text))
        self.came.set()


@pytest.fixture(autouse=True)
def fast(monkeypatch):
    monkeypatch.setattr(together, "_INTERVAL", 0.01)
    monkeypatch.setattr(together, "_PATIENCE", 1.0)


def start(processes=2):
    """Return the processes of a run as (peers, ends, together) each."""
    published: dict[str, str] = {}
    found = []
    for rank in range(processes):
        peers, ends = Peers(rank, published, processes), Ends()
        found.append((peers, ends, Together(peers, ends)))
    return found


def test_a_process_ends_with_the_code_of_the_one_that_ended_first():
    (_, first_ends, first), (_, ends, _), (_, other_ends, _) = start(3)
    first.announce_end(3)
    assert ends.found == [(3, "process 1 of 3 ends, because process 0 ended with exit code 3")]
    assert other_ends.found[0][0] == 3
    assert first_ends.found == []


def test_an_error_in_a_later_process_ends_the_first_one():
    (_, first_ends, _), (_, _, later) = start()
    later.announce_end(2)
    assert first_ends.found == [(2, "process 0 of 2 ends, because process 1 ended with exit code 2")]


def test_an_error_that_the_end_of_another_process_caused_is_not_announced():
    (_, _, first), (peers, ends, later) = start()
    first.announce_end(143)
    later.announce_end(5)
    assert peers.published["end"] == "0 143"
    assert {code for code, _ in ends.found} == {143}


def test_the_first_process_gets_the_signal_of_another(monkeypatch):
    sent = []
    monkeypatch.setattr(together.os, "kill", lambda pid, number: sent.append(number))
    (_, _, _), (_, _, later) = start()
    later.request_stop(signal.SIGTERM)
    wait(lambda: sent)
    time.sleep(0.1)
    assert sent == [signal.SIGTERM], "a signal must be passed on once"


def test_after_the_last_step_a_process_waits_for_the_first():
    (_, _, first), (_, ends, later) = start()
    waiting = threading.Thread(target=later.await_end, daemon=True)
    waiting.start()
    time.sleep(0.1)
    assert waiting.is_alive()
    first.announce_end(0)
    waiting.join(timeout=5)
    assert not waiting.is_alive()
    assert ends.found == []


def test_a_lost_process_ends_the_others():
    (_, _, _), (peers, ends, _) = start()
    peers.lost = True
    assert ends.came.wait(5)
    assert ends.found == [(5, "the first process was lost")]


def test_only_the_first_process_saves():
    published: dict[str, str] = {}
    stops, saved = [Stop(end=Ends()) for _ in range(2)], []
    for rank, stop in enumerate(stops):
        stop.join(Peers(rank, published))
        stop.save_by(lambda number, rank=rank: saved.append(rank) or "saved")
    later = threading.Thread(target=lambda: stops[1].save(signal.SIGTERM), daemon=True)
    later.start()
    wait(lambda: "stop" in published)
    assert saved == []
    assert stops[0].save(signal.SIGTERM) == "saved"
    later.join(timeout=5)
    assert not later.is_alive()
    assert (saved, published["end"]) == ([0], "0 143")


def wait(condition: Callable[[], object]) -> None:
    until = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)
