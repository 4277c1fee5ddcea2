"""Python in a process of its own."""

import os
import subprocess
import sys


def run_python(arguments, directory):
    """Run Python in `directory`, where the framework is not chosen in advance; return what it prints."""
    environment = {key: value for key, value in os.environ.items() if key != "KERAS_BACKEND"}
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
