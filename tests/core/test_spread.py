"""How launchers describe the processes of a run."""

import json

import pytest

from alae_core import BackendError
from alae_core.spread import (
    Spread,
    count_processes,
    describe_cluster,
    describe_processes,
    find_spread,
    require_process_per_device,
)

TORCHRUN = {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "MASTER_ADDR": "one", "MASTER_PORT": "29500"}
WORKERS = ["one:1", "two:1", "two:2"]
SRUN = {"SLURM_PROCID": "3", "SLURM_STEP_NUM_TASKS": "4", "SLURM_LOCALID": "1"}


def make_tf_config(kind, index, **cluster):
    return {"TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}})}


@pytest.mark.parametrize(
    ("devices", "environ", "expected"),
    [
        (None, {}, None),
        (1, {}, None),
        (2, {}, Spread(2)),
        ("all", {}, Spread("all")),
        (None, TORCHRUN, Spread("all", 3, 4, 1, "one:29500")),
        (4, TORCHRUN, Spread(4, 3, 4, 1, "one:29500")),
        (None, SRUN, Spread("all", 3, 4, 1)),
        (None, SRUN | {"MASTER_ADDR": "two", "MASTER_PORT": "1"}, Spread("all", 3, 4, 1, "two:1")),
        (None, make_tf_config("worker", 2, worker=WORKERS), Spread("all", 2, 3, 1, "one:1", tuple(WORKERS))),
        (
            3,
            make_tf_config("worker", 0, chief=["one:1"], worker=WORKERS[1:]),
            Spread(3, 1, 3, 0, "one:1", tuple(WORKERS)),
        ),
        (None, make_tf_config("worker", 0, worker=["one:1"]), None),
        (None, {"TF_CONFIG": ""}, None),
        # One process, and a batch script, which is not a step of srun.
        (None, TORCHRUN | {"RANK": "0", "WORLD_SIZE": "1"}, None),
        (None, {"SLURM_PROCID": "0", "SLURM_NTASKS": "4"}, None),
    ],
)
def test_launchers_are_recognised(devices, environ, expected):
    assert find_spread(devices, environ) == expected


def test_processes_of_one_machine_find_each_other():
    first, second = (find_spread(None, variables) for variables in describe_processes(2))
    assert (first.rank, second.rank, second.local_rank, second.processes) == (0, 1, 1, 2)
    assert first.address == second.address == first.addresses[0]
    assert len(set(first.addresses)) == 2
    assert first.addresses == second.addresses


def test_processes_of_several_machines_are_counted_on_each():
    described = [find_spread(None, variables) for variables in describe_cluster(WORKERS)]
    assert [(each.rank, each.local_rank) for each in described] == [(0, 0), (1, 0), (2, 1)]
    assert described[0] == Spread("all", 0, 3, 0, "one:1", tuple(WORKERS))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"LOCAL_RANK": None}, "LOCAL_RANK is not set"),
        ({"MASTER_PORT": None}, "MASTER_PORT is not set"),
        ({"RANK": "4"}, "RANK is 4, but WORLD_SIZE is 4: ranks count from 0"),
        ({"RANK": "first"}, "RANK is 'first'; it must be a whole number"),
        ({"WORLD_SIZE": "-2"}, "WORLD_SIZE is '-2'"),
        (make_tf_config("worker", 0, worker=WORKERS), "TF_CONFIG names 3 processes, but WORLD_SIZE is 4"),
        (make_tf_config("ps", 0, worker=WORKERS, ps=["four:1"]), "TF_CONFIG is .*; it must name the addresses"),
        ({"TF_CONFIG": "worker"}, "TF_CONFIG is worker; it must name the addresses"),
    ],
)
def test_incomplete_descriptions_are_refused(changes, message):
    environ = {name: value for name, value in (TORCHRUN | changes).items() if value is not None}
    with pytest.raises(BackendError, match=message):
        find_spread(None, environ)


@pytest.mark.parametrize(
    ("devices", "accelerators", "expected"), [("all", 0, 1), ("all", 4, 4), (3, 0, 3), (3, 4, 3), (4, 4, 4)]
)
def test_devices_are_accelerators_or_any_number_of_processes_on_cpus(devices, accelerators, expected):
    assert count_processes(devices, accelerators, "GPUs") == expected


def test_more_devices_than_accelerators_are_refused():
    with pytest.raises(BackendError, match="--devices is 3, but there are 2 GPUs"):
        count_processes(3, 2, "GPUs")


def test_a_number_of_devices_other_than_that_of_processes_is_refused():
    require_process_per_device(Spread("all", processes=3), "PyTorch")
    require_process_per_device(Spread(3, processes=3), "PyTorch")
    with pytest.raises(
        BackendError, match="--devices is 2, but PyTorch needs a process for each device, and there are 3"
    ):
        require_process_per_device(Spread(2, processes=3), "PyTorch")
