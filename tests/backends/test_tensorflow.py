"""The backend `tensorflow`: what its users see on the terminal."""

import os
import subprocess
import sys

import pytest

ENCODE = """
import numpy as np
import alae_core as alae

alae.load_backend("tensorflow", "cpu")
model = alae.build(alae.load_config("digits-conv"))
model.encode(np.zeros((2, *model.config.image), np.float32))
"""


@pytest.mark.slow
@pytest.mark.skipif(os.environ["KERAS_BACKEND"] != "tensorflow", reason="tests TensorFlow")
def test_conv_networks_encode_without_error_messages():
    """TensorFlow's remapper fails on residual blocks."""
    # The tests hide TensorFlow's messages.
    environment = {key: value for key, value in os.environ.items() if key != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run([sys.executable, "-c", ENCODE], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "failed" not in done.stderr
