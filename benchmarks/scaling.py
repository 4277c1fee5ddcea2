"""What several devices cost: the traffic and expected efficiency of every preset, or a measurement on this machine.

    python -m benchmarks.scaling
    python -m benchmarks.scaling --measure [--preset mnist-mlp] [--backend jax torch tensorflow] [--rounds 3] [--quick]

The first prints the tables of docs/scaling.md, computed from the configurations and the assumptions below. The second
times training steps on one device and on two: two devices or processes that share the cores of this machine.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass

import alae_core as alae
from alae_core.config_data import preset_names
from alae_core.growth import position
from alae_core.networks.layout import layout
from alae_core.sizes import batch_sizes
from alae_core.spread import Spread, describe_processes, find_spread
from alae_core.updates import updates_of
from benchmarks import turns
from benchmarks.arithmetic import count_operations

#: operations per second of one device: 30 % of an H100's peak of 67 Top/s in float32
OPERATIONS = 20e12


@dataclass(frozen=True)
class Machine:
    """Devices and the slowest link that their gradients cross, in a ring.

    Attributes:
        devices: number of devices.
        bandwidth: bytes per second of that link, in each direction, as all-reduces reach it.
        latency: seconds of an all-reduce of a few bytes.
    """

    devices: int
    bandwidth: float
    latency: float


MACHINES = {
    "8 × H100, NVLink": Machine(8, 350e9, 30e-6),
    # All devices of a host share its link.
    "2 hosts of 8, 100 Gb/s": Machine(16, 11e9, 100e-6),
}


@dataclass(frozen=True)
class Step:
    """A training step at the finest level of detail, averaged over steps.

    Attributes:
        images: images of the whole batch.
        operations: operations for the whole batch.
        gradients: bytes of gradients that each device gives away and receives the mean of.
        collectives: number of all-reduces.
    """

    images: int
    operations: float
    gradients: float
    collectives: float


def describe_step(config: alae.Config) -> Step:
    """Return the traffic and arithmetic of a step of `config`."""
    specs = {
        name: spec for name, spec in layout(config).items() if spec.levels is None or config.lods - 1 in spec.levels
    }
    sizes = {network: sum(spec.size for name, spec in specs.items() if name[0] == network) for network in "FGED"}
    gradients = collectives = 0.0
    for update in updates_of(config):
        gradients += 4 * sum(sizes[network] for network in update.trains) / update.every
        has_mean = update.moves_w_mean and config.networks.family == "style"
        adapts = config.adapts and update.separation is not None
        collectives += (1 + has_mean + adapts) / update.every
    images, _ = batch_sizes(config)[-1]
    operations = count_operations(config, {name: spec.shape for name, spec in specs.items()}, images)
    return Step(images, operations, gradients, collectives)


def estimate_seconds(step: Step, machine: Machine) -> tuple[float, float]:
    """Return the seconds of arithmetic and of all-reduces in a step; neither overlaps the other."""
    traffic = 2 * (machine.devices - 1) / machine.devices * step.gradients
    arithmetic = step.operations / OPERATIONS / machine.devices
    return arithmetic, traffic / machine.bandwidth + step.collectives * machine.latency


def print_tables() -> None:
    """Print a row for each preset."""
    heads = " | ".join(f"{name}: compute + exchange, efficiency" for name in MACHINES)
    print(f"| preset | batch | gradients | all-reduces | {heads} |")
    print("| --- | --- | --- | --- |" + " --- |" * len(MACHINES))
    for name in preset_names():
        step = describe_step(alae.load_config(name))
        cells = []
        for machine in MACHINES.values():
            arithmetic, exchange = estimate_seconds(step, machine)
            share = arithmetic / (arithmetic + exchange)
            cells.append(f"{_in_ms(arithmetic)} + {_in_ms(exchange)} ms, {share:.0%}")
        traffic = f"{step.images} | {step.gradients / 1e6:,.1f} MB | {step.collectives:g}"
        print(f"| `{name}` | {traffic} | {' | '.join(cells)} |")


def _in_ms(seconds: float) -> str:
    return f"{1e3 * seconds:.3g}" if seconds < 1e-2 else f"{1e3 * seconds:.0f}"


def time_steps(backend: str, preset: str, devices: int, quick: bool) -> float:
    """Return the seconds of a training step, in this process of one or two."""
    spread = find_spread(devices) or (Spread(devices) if devices > 1 else None)
    opened = alae.load_backend(backend, "cpu", spread=spread)
    config = alae.load_config(preset)
    runner = opened.runner(alae.build(config))
    where = position(config, 0)
    shape = (where.view.size, where.view.size, config.image[2]) if where.view else config.image
    batch = runner.put_whole(turns.random_images(where.stage.batch_size, shape))
    # The first steps compile.
    for _ in range(4):
        dict(runner.step(batch))
    steps, started = 4 if quick else 40, time.perf_counter()
    for _ in range(steps):
        losses = runner.step(batch)
    dict(losses)
    return (time.perf_counter() - started) / steps


def run_steps(backend: str, preset: str, devices: int, quick: bool) -> float:
    """Call `time_steps` in new processes: one, or one per device unless it is JAX; return the first one's result."""
    processes = 1 if backend == "jax" else devices
    cores = os.cpu_count() or 1
    environment = {**os.environ, "KERAS_BACKEND": backend, "OMP_NUM_THREADS": str(max(1, cores // processes))}
    command = [sys.executable, "-m", "benchmarks.scaling", "--preset", preset, "--backend", backend]
    command += ["--in-this-process", str(devices), *(["--quick"] if quick else [])]
    started = [
        subprocess.Popen(command, env=environment | variables, stdout=subprocess.PIPE, text=True)
        for variables in describe_processes(processes)
    ]
    results = [process.communicate()[0] for process in started]
    return float(results[0].splitlines()[-1])


def measure(options: argparse.Namespace) -> None:
    """Print a row for each backend; the rounds alternate between one device and two."""
    print(f"{'backend':12}{'one device':>14}{'two devices':>14}{'ratio':>8}  ratios of all rounds", flush=True)
    for backend in options.backend:
        pairs = [
            [run_steps(backend, options.preset, devices, options.quick) for devices in (1, 2)]
            for _ in range(options.rounds)
        ]
        ratios = sorted(two / one for one, two in pairs)
        one, two = (1e3 * statistics.median(column) for column in zip(*pairs, strict=True))
        spread = " ".join(f"{ratio:.2f}" for ratio in ratios)
        print(f"{backend:12}{one:11.2f} ms{two:11.2f} ms{statistics.median(ratios):8.2f}  {spread}", flush=True)


def main() -> None:
    """Print the tables, or measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--measure", action="store_true", help="time steps on this machine")
    parser.add_argument("--preset", default="mnist-mlp", help="preset to measure (default mnist-mlp)")
    parser.add_argument("--backend", nargs="+", default=["jax", "torch", "tensorflow"], help="backends to measure")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each (default 3)")
    parser.add_argument("--quick", action="store_true", help="few steps of one round, to check that it runs")
    parser.add_argument("--in-this-process", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.in_this_process:
        print(time_steps(*options.backend, options.preset, options.in_this_process, options.quick))
    elif options.measure:
        options.rounds = 1 if options.quick else options.rounds
        measure(options)
    else:
        print_tables()


if __name__ == "__main__":
    main()
