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
from alae_core.spread import Devices

# Seconds that the processes have, after a signal, to save and end before the launcher kills them.
_GRACE = 120


def count_processes(devices: Devices, device: str | None) -> int:
    """Return how many processes `devices` means: one per device of the kind `device`, by default CUDA if there is any.

    Raises BackendError if there are fewer devices. A CPU takes any number of processes; "all" means one.
    """
    if torch.backends.mps.is_available() and not (device or "").startswith("cpu"):
        raise BackendError("--devices is for CUDA devices and CPUs: add --device cpu")
    cuda = 0 if (device or "").startswith("cpu") else torch.cuda.device_count()
    if devices == "all":
        return max(cuda, 1)
    if cuda and devices > cuda:
        raise BackendError(f"--devices is {devices}, but there are {cuda} CUDA devices")
    return devices


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
