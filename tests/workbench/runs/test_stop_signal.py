"""Stopping a run: on signals that it records itself, and from another thread."""

import signal
import threading
import time

import pytest

from alae_workbench.runs.stop_signal import Stop


def start(action):
    thread = threading.Thread(target=action, daemon=True)
    thread.start()
    return thread


@pytest.fixture
def python_handler():
    """Python's own handler of SIGINT, which parallel test processes ignore."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("python_handler")
def test_a_signal_is_recorded_and_a_second_one_takes_effect():
    stop, before = Stop(), signal.getsignal(signal.SIGINT)
    with stop.recording():
        signal.raise_signal(signal.SIGINT)
        assert stop.signal == signal.SIGINT
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_handlers_are_left_alone_in_other_threads():
    found, before = [], signal.getsignal(signal.SIGINT)

    def record():
        with Stop().recording():
            found.append(signal.getsignal(signal.SIGINT))

    start(record).join()
    assert found == [before]


def test_saving_waits_until_a_step_ends_and_keeps_the_run_from_taking_another():
    stop, events, stepping = Stop(), [], threading.Event()

    def run():
        stop.save_by(lambda number: events.append("saved") or f"saved on {number.name}")
        for _ in range(2):
            with stop.hold():
                stepping.set()
                time.sleep(0.2)
                events.append("step")

    runner = start(run)
    stepping.wait()
    assert stop.save(signal.SIGTERM) == "saved on SIGTERM"
    runner.join(0.3)
    assert runner.is_alive(), "it waits for the end of the process"
    assert events == ["step", "saved"]


def test_nothing_is_saved_before_the_run_begins():
    assert Stop().save(signal.SIGINT) == "no step was taken"
