"""How a run is spread over devices and processes, as its launcher describes it in environment variables."""

import json
import os
import socket
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from alae_core.errors import ArgumentError, BackendError

if TYPE_CHECKING:
    import numpy as np

#: number of devices that train together, in all processes; "all" that there are
Devices = int | Literal["all"]


@dataclass(frozen=True)
class Spread:
    """How a run is spread over devices and processes.

    Attributes:
        devices: number of devices in all processes; "all" that these processes have.
        rank, processes: the number of this process, from 0, and how many processes train together.
        local_rank: its number among the processes of its host.
        address: "host:port" at which the first process listens; None if the framework has to find it.
        addresses: those of all processes by rank, if TF_CONFIG names them.
    """

    devices: Devices = "all"
    rank: int = 0
    processes: int = 1
    local_rank: int = 0
    address: str | None = None
    addresses: tuple[str, ...] = ()


class Peers(Protocol):
    """The processes of a run, as each of them sees the others."""

    rank: int  # the number of this process, from 0
    processes: int  # how many there are

    def share_state(self, state: "Mapping[str, np.ndarray]") -> "dict[str, np.ndarray]":
        """Return the first process's arrays, in all processes; each gives arrays of the same names and shapes."""

    def publish(self, key: str, text: str) -> None:
        """Let all processes read `text` by `key`. Each key is published at most once."""

    def read(self, key: str) -> str | None:
        """Return the text that a process published by `key`, or None. Raises BackendError if peers cannot be asked."""


def find_spread(devices: Devices | None, environ: Mapping[str, str] = os.environ) -> Spread | None:
    """Return how this run is spread, or None if it runs on one device of this process alone.

    torchrun and similar launchers set RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR and MASTER_PORT. srun sets
    SLURM_PROCID, SLURM_STEP_NUM_TASKS and SLURM_LOCALID; the job's script may set MASTER_ADDR and MASTER_PORT.
    TF_CONFIG, as TensorFlow defines it, names the addresses of all processes; it is enough if the others are not set.

    Args:
        devices: the number of devices requested, or None.
        environ: the environment variables.

    Raises BackendError if these variables are not numbers, or do not fit together.
    """
    addresses, described = _read_tf_config(environ)
    torchrun, slurm = ("RANK", "WORLD_SIZE", "LOCAL_RANK"), ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID")
    names = next((names for names in (torchrun, slurm) if _read_number(environ, names[1], 1) > 1), None)
    if names is None and len(addresses) > 1:
        names, environ = torchrun, described
    if names is None:
        return None if devices in (None, 1) else Spread(devices or "all")
    rank, processes, local_rank = (_read_number(environ, name) for name in names)
    if rank >= processes:
        raise BackendError(f"{names[0]} is {rank}, but {names[1]} is {processes}: ranks count from 0")
    if addresses and len(addresses) != processes:
        raise BackendError(f"TF_CONFIG names {len(addresses)} processes, but {names[1]} is {processes}")
    address = None
    if "MASTER_ADDR" in environ:
        address = f"{environ['MASTER_ADDR']}:{_read_number(environ, 'MASTER_PORT')}"
    return Spread(devices or "all", rank, processes, local_rank, address, tuple(addresses))


def require_kind(device: str | None) -> None:
    """Raise ArgumentError if `device` names one device, such as "gpu:1", instead of a kind for several devices."""
    if device is not None and ":" in device:
        raise ArgumentError("device", f"is {device}, one device, but several are used together: give their kind")


def count_processes(devices: Devices, accelerators: int, kind: str) -> int:
    """Return how many processes `devices` means: one per accelerator, or any number on CPUs, where "all" means one.

    Args:
        devices: the value of --devices.
        accelerators: how many there are, or 0 if the run uses CPUs.
        kind: what they are, in the plural.

    Raises BackendError if there are fewer accelerators.
    """
    if devices == "all":
        return max(accelerators, 1)
    if accelerators and devices > accelerators:
        raise BackendError(f"--devices is {devices}, but there are {accelerators} {kind}")
    return devices


def require_process_per_device(spread: Spread, framework: str) -> None:
    """Raise BackendError if the number of processes is not that of the devices, which `framework` needs."""
    if spread.devices not in ("all", spread.processes):
        raise BackendError(
            f"--devices is {spread.devices}, but {framework} needs a process for each device, and there are "
            f"{spread.processes}: start them with `alae train --devices {spread.devices}`, torchrun or srun"
        )


def describe_processes(count: int) -> list[dict[str, str]]:
    """Return the environment variables of each of `count` processes of this machine, each with a free port."""
    with ExitStack() as stack:
        # Open together, so that all ports differ.
        found = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in found:
            each.bind(("localhost", 0))
        return describe_cluster([f"localhost:{each.getsockname()[1]}" for each in found])


def describe_cluster(addresses: Sequence[str]) -> list[dict[str, str]]:
    """Return the environment variables of the processes at these addresses, "host:port" each, by rank."""
    host, _, port = addresses[0].rpartition(":")
    hosts = [address.rpartition(":")[0] for address in addresses]
    return [
        {
            "RANK": str(rank),
            "WORLD_SIZE": str(len(addresses)),
            "LOCAL_RANK": str(hosts[:rank].count(hosts[rank])),
            "MASTER_ADDR": host,
            "MASTER_PORT": port,
            "TF_CONFIG": json.dumps({"cluster": {"worker": addresses}, "task": {"type": "worker", "index": rank}}),
        }
        for rank in range(len(addresses))
    ]


def find_peers(backend: Any) -> Peers | None:
    """Return the processes that train together on an open backend; None if this process trains alone."""
    return getattr(backend, "peers", None)


def count_devices(backend: Any) -> int:
    """Return how many devices train together on an open backend, in all processes."""
    return getattr(backend, "device_count", 1)


def count_own_devices(backend: Any) -> int:
    """Return how many devices an open backend uses outside of training: those of this process, if it is alone."""
    return 1 if find_peers(backend) else count_devices(backend)


def _read_tf_config(environ: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
    """Return the addresses in TF_CONFIG by rank, and the variables of `describe_cluster` for this process."""
    text = environ.get("TF_CONFIG") or "{}"
    try:
        found = json.loads(text)
        jobs = {job: list(found.get("cluster", {}).get(job, [])) for job in ("chief", "worker")}
        addresses = [str(address) for job in jobs.values() for address in job]
        if len(addresses) < 2:
            return [], {}
        kind, index = found["task"]["type"], int(found["task"]["index"])
        own = jobs[kind][index]
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise BackendError(
            f"the environment variable TF_CONFIG is {text}; it must name the addresses of a cluster's workers, or of "
            "its chief and workers, and the task of this process, as TensorFlow defines it"
        ) from error
    return addresses, describe_cluster(addresses)[addresses.index(own)]


def _read_number(environ: Mapping[str, str], name: str, default: int | None = None) -> int:
    text = environ.get(name, default)
    if text is None:
        raise BackendError(f"the environment variable {name} is not set, which a launcher such as torchrun sets")
    if not str(text).isdecimal():
        raise BackendError(f"the environment variable {name} is {text!r}; it must be a whole number, set by a launcher")
    return int(text)
