"""Packages that Keras imports without need are skipped, and only for Keras."""

import os
import subprocess
import sys

import pytest

_PROGRAM = """
import sys
from alae_cli import main
sys.argv = ["alae", "--version"]
try:
    main()
except SystemExit:
    pass
import keras
print(sorted(sys.modules.keys() & {"jax", "matplotlib", "sklearn"}), sys.modules.keys() >= {"keras.src.wrappers"})
import jax, matplotlib.pyplot, sklearn.neighbors
print(sorted(sys.modules.keys() & {"jax", "matplotlib", "sklearn"}))
"""


@pytest.mark.framework
def test_keras_skips_unused_imports_in_a_command_and_other_modules_do_not():
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM], env=dict(os.environ), capture_output=True, text=True, check=True
    )
    needed = ["jax"] if os.environ["KERAS_BACKEND"] == "jax" else []
    assert done.stdout.splitlines()[1:] == [f"{needed} True", "['jax', 'matplotlib', 'sklearn']"]
