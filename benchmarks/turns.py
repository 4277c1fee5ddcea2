"""Time two contenders in alternation, each backend in its own process, and print a table row per comparison.

Both contenders run in every round, so that other load on the machine slows both. The result is the median of the
rounds' ratios.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np


def parser(description: str, *, rounds: int) -> argparse.ArgumentParser:
    """Return the options that every benchmark has; `rounds` is the default of `--rounds`."""
    options = argparse.ArgumentParser(description=description)
    options.add_argument("--backend", nargs="+", default=["jax", "torch", "tensorflow"], help="backends to measure")
    options.add_argument("--rounds", type=int, default=rounds, help=f"turns of each contender (default {rounds})")
    options.add_argument("--quick", action="store_true", help="use the smallest sizes, to check that it runs")
    options.add_argument("--in-this-process", action="store_true", help=argparse.SUPPRESS)
    return options


def run(
    module: str,
    options: argparse.Namespace,
    measure: Callable[[argparse.Namespace, str], None],
    reference: str = "by hand",
) -> None:
    """Call `measure(options, backend)` for every backend in `options`, each in its own process.

    Args:
        module: name of the benchmark's module, as for `python -m`.
        options: parsed options of `parser`.
        measure: prints the rows of one backend.
        reference: heading of the column for the code that ALAE is compared with.
    """
    if options.in_this_process:
        measure(options, *options.backend)
        return
    print_header(options.rounds, reference)
    for backend in options.backend:
        command = [sys.executable, "-m", module, *sys.argv[1:], "--in-this-process", "--backend", backend]
        environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
        subprocess.run(command, env=environment, check=True)


def print_header(rounds: int, reference: str) -> None:
    """Print the column headings of `take_turns`."""
    print(f"{'backend':12}{'':14}{'alae':>12}{reference:>12}{'ratio':>8}  ratios of all {rounds} rounds", flush=True)


def random_images(count: int, shape: tuple[int, int, int]) -> np.ndarray:
    """Return images of uniform noise in [−1, 1], (count, *shape)."""
    return np.random.default_rng(0).uniform(-1, 1, (count, *shape)).astype(np.float32)


def take_turns(backend: str, task: str, rounds: int, ours: Callable[[], float], reference: Callable[[], float]) -> None:
    """Print the row of two contenders; each returns the seconds that it took."""
    pairs = [(ours(), reference()) for _ in range(rounds)]
    ratios = sorted(mine / other for mine, other in pairs)
    mine, other = (statistics.median(column) * 1e3 for column in zip(*pairs, strict=True))
    spread = " ".join(f"{ratio:.2f}" for ratio in ratios)
    print(f"{backend:12}{task:14}{mine:9.2f} ms{other:9.2f} ms{statistics.median(ratios):8.2f}  {spread}", flush=True)


def make_contender(step_and_wait: Callable[[], object], step: Callable[[], object]) -> Callable[[int], float]:
    """Return a function that takes a number of steps, waits for the last, and returns the seconds per step."""

    def run(steps: int) -> float:
        started = time.perf_counter()
        for _ in range(steps - 1):
            step()
        step_and_wait()
        return (time.perf_counter() - started) / steps

    return run
