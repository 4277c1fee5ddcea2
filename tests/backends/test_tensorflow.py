"""The backend `tensorflow`: what its users see on the terminal, and how its processes find each other."""

import os
import subprocess
import sys

import pytest

from alae_core import BackendError
from alae_core.spread import describe_processes, find_spread
from tests.conftest import REPOSITORY

pytestmark = pytest.mark.skipif(os.environ["KERAS_BACKEND"] != "tensorflow", reason="tests TensorFlow")

ENCODE = """
import numpy as np
import alae_core as alae

alae.load_backend("tensorflow", "cpu")
model = alae.build(alae.load_config("digits-conv"))
model.encode(np.zeros((2, *model.config.image), np.float32))
"""


SHARE = """
import numpy as np
from alae_core.spread import find_spread
from alae_tensorflow.peers import TensorflowPeers

peers = TensorflowPeers(find_spread(None))
first = {
    "floats": np.array([-0.0, 1e-45, np.inf], np.float32),
    "doubles": np.array([[-0.0], [np.pi]]),
    "count": np.asarray(2**62 + 1),
    "nothing": np.zeros((0, 3), np.float32),
}
own = first if peers.rank == 0 else {name: np.ones_like(array) for name, array in first.items()}
for name, array in peers.share_state(own).items():
    assert (array.dtype, array.shape) == (first[name].dtype, first[name].shape), name
    assert array.tobytes() == first[name].tobytes(), name
    array += 1
"""


@pytest.mark.slow
def test_all_processes_get_the_bits_of_the_first_ones_state():
    started = [
        subprocess.Popen(
            [sys.executable, "-c", SHARE], cwd=REPOSITORY, env=os.environ | each, stderr=subprocess.PIPE, text=True
        )
        for each in describe_processes(2)
    ]
    errors = [process.communicate(timeout=300)[1] for process in started]
    assert [process.returncode for process in started] == [0, 0], errors


SLURM = {
    "SLURM_PROCID": "2",
    "SLURM_STEP_NUM_TASKS": "4",
    "SLURM_LOCALID": "0",
    "SLURM_STEP_NODELIST": "node[07-08]",
    "SLURM_STEP_TASKS_PER_NODE": "2(x2)",
}


@pytest.mark.parametrize(
    ("variables", "ports"),
    [({}, (8888, 8889)), ({"MASTER_ADDR": "node07", "MASTER_PORT": "21000"}, (21000, 21001))],
)
def test_slurm_names_the_addresses_of_all_processes(monkeypatch, variables, ports):
    from alae_tensorflow import peers

    for name, value in (SLURM | variables).items():
        monkeypatch.setenv(name, value)
    spread = find_spread(None)
    assert peers.list_addresses(spread) == [f"{host}:{port}" for host in ("node07", "node08") for port in ports]


def test_processes_without_addresses_are_refused(monkeypatch):
    from alae_tensorflow import peers

    variables = {**describe_processes(2)[0], "TF_CONFIG": ""}
    monkeypatch.delenv("SLURM_STEP_NODELIST", raising=False)
    with pytest.raises(BackendError, match="TF_CONFIG is not set"):
        peers.list_addresses(find_spread(None, variables))


@pytest.mark.slow
def test_conv_networks_encode_without_error_messages():
    """TensorFlow's remapper fails on residual blocks."""
    # The tests hide TensorFlow's messages.
    environment = {key: value for key, value in os.environ.items() if key != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run([sys.executable, "-c", ENCODE], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "failed" not in done.stderr
