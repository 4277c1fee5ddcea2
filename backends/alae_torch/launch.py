"""Start one process per device with PyTorch's elastic launcher."""

import logging
import os
import sys
from collections.abc import Sequence
from uuid import uuid4

import torch
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from alae_core.errors import BackendError, PeerError

ACCELERATORS = "CUDA devices"
# Seconds that the processes have, after a signal, to save and end before the launcher kills them.
_GRACE = 120


def count_accelerators(device: str | None) -> int:
    """Return how many CUDA devices a run on `device` may use: none if it is a CPU.

    Raises BackendError if the run would use Apple's GPU.
    """
    if (device or "").startswith("cpu"):
        return 0
    if torch.backends.mps.is_available():
        raise BackendError("--devices is for CUDA devices and CPUs: add --device cpu")
    return torch.cuda.device_count()


def launch(processes: int, words: Sequence[str]) -> int:
    """Run Python with the arguments `words` in several processes of this host.

    Returns the exit code of the first process that failed, or 0.

    Raises PeerError if a process was killed; the others are ended then.
    """
    # Its warnings and tables repeat the lines that the processes print.
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    os.environ.setdefault("TORCH_ELASTIC_SHUTDOWN_TIMEOUT", str(_GRACE))
    # The threads of all processes share the cores.
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // processes)))
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=processes,
        run_id=uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        local_addr="localhost",
        max_restarts=0,
    )
    try:
        elastic_launch(config, sys.executable)(*words)
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        if failure.exitcode < 0:
            raise PeerError(
                f"process {rank} of {processes} (pid {failure.pid}) was killed by {failure.signal_name()}, so the "
                "others were ended"
            ) from error
        return failure.exitcode
    return 0
