"""Settings of runs that take seconds, and their options for the command line."""

import json

from tests.conftest import TINY

#: a run on digits with tiny networks
SMALL_RUN = {key: value for key, value in TINY.items() if key.startswith("networks")} | {
    "batch_size": 16,
    "training.held_out": 100,
    "training.report_every": 5,
}


def make_set_options(settings):
    """Return the words of the command line that set these settings, by dotted key."""
    return [word for key, value in settings.items() for word in ("--set", f"{key}={json.dumps(value)}")]
