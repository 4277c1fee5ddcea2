"""`alae train --log json` and `--quiet`: what a scheduler's log collects."""

import json
import logging
from datetime import datetime

import pytest

from alae_cli.log import Log, choose_observers
from alae_workbench.runs.observers import JsonLog, Observer
from alae_workbench.runs.progress import Terminal
from tests.cli.conftest import BACKEND, SMALL, describe_case
from tests.helpers.runs import make_set_options

SETTINGS = make_set_options(SMALL)
TRAIN = ["train", "--preset", "digits-mlp", "--steps", 2, "--backend", BACKEND, "--out", "run", *SETTINGS]


def read_events(text):
    """Parse lines of JSON; each has a time with a time zone."""
    events = [json.loads(line) for line in text.splitlines()]
    assert all(datetime.fromisoformat(event.pop("time")).tzinfo for event in events)
    return events


def test_every_event_is_a_line_of_json_on_standard_error(run_alae):
    code, out, err = run_alae(*TRAIN, "--log", "json")
    assert (code, out) == (0, "")
    events = read_events(err)
    kinds = [event["event"] for event in events]
    assert kinds[0] == "start"
    assert kinds[-1] == "finish"
    assert {"report", "measures", "grid", "note"} <= set(kinds)
    named = {event["event"]: event for event in events}
    assert (named["start"]["run"], named["start"]["step"], named["start"]["steps"]) == ("run", 0, 2)
    assert (named["report"]["step"], named["report"]["images"]) == (2, 256)
    assert named["report"]["losses"].keys() == {"discriminator", "generator", "reciprocity"}
    assert "reconstruction_error" in named["measures"]["measures"]
    assert named["finish"]["checkpoint"] == "run/checkpoints/step-00000002"
    code, out, err = run_alae(*TRAIN, "--log", "json", "--resume", "auto")
    assert (code, out) == (0, "")
    assert read_events(err) == [{"event": "note", "message": "run is finished: 2 steps are done, 2 were requested"}]


def test_a_tracker_is_used_beside_the_text_and_refused_if_it_is_absent(run_alae, monkeypatch):
    created = []

    class Tracker(Observer):
        def __init__(self, name):
            created.append(name)

    monkeypatch.setattr("alae_workbench.runs.tracker.find_spec", lambda name: None)
    code, _, err = run_alae(*TRAIN, "--log", "wandb")
    assert (code, err) == (2, "alae: --log is wandb, which is not installed: pip install wandb\n")
    monkeypatch.setattr("alae_workbench.runs.tracker.Tracker", Tracker)
    observers = choose_observers([Log.WANDB, Log.TRACKIO, Log.WANDB], quiet=False)
    assert created == ["wandb", "trackio"]
    assert [type(each) for each in observers] == [Terminal, Tracker, Tracker]
    assert [type(each) for each in choose_observers([Log.TRACKIO, Log.JSON], quiet=False)] == [JsonLog, Tracker]
    assert [type(each) for each in choose_observers([Log.WANDB], quiet=True)] == [Tracker]


def test_quiet_prints_nothing_but_errors(run_alae):
    assert run_alae(*TRAIN, "--quiet") == (0, "", "")
    code, out, err = run_alae(*TRAIN, "--quiet")
    assert (code, out) == (2, "")
    assert err.startswith("alae: run is not empty")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--preset", "nope"], "there is no preset 'nope'"),
        (["--steps", "0"], "--steps is 0: input should be"),
        (["--nonsense"], "No such option: --nonsense"),
    ],
    ids=describe_case,
)
def test_an_error_is_one_event(run_alae, words, message):
    code, out, err = run_alae("train", "--log", "json", *words)
    (event,) = read_events(err)
    assert (code, out, event["event"], event["exit_code"]) == (2, "", "error", 2)
    assert event["message"].startswith(message)
    # The format is that of one command.
    assert run_alae("train", *words)[2].startswith("alae: ")


def test_warnings_of_libraries_are_events(run_alae, monkeypatch):
    def warn(request, **options):
        logging.getLogger("library").warning("a slow\npath")
        raise MemoryError("too many images")

    monkeypatch.setattr("alae_workbench.runs.train.train", warn)
    *_, warning, error = read_events(run_alae("train", "--log", "json")[2])
    assert warning == {"event": "warning", "message": "a slow path"}
    assert error["message"] == "not enough memory: too many images"
