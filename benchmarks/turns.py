"""Two contenders taking turns, each backend in a process of its own, and the row that this gives in a table.

Taking turns, whatever else the machine does falls on both; the ratio of each round is taken, and the median of these is
what counts.
"""

import argparse
import os
import statistics
import subprocess
import sys
from collections.abc import Callable


def parser(description: str, *, rounds: int) -> argparse.ArgumentParser:
    """The options that every benchmark has."""
    options = argparse.ArgumentParser(description=description)
    options.add_argument("--backend", nargs="+", default=["jax", "torch", "tensorflow"])
    options.add_argument("--rounds", type=int, default=rounds, help="turns of each contender")
    options.add_argument("--in-this-process", action="store_true", help=argparse.SUPPRESS)
    return options


def run(
    module: str,
    options: argparse.Namespace,
    measure: Callable[[argparse.Namespace, str], None],
    theirs: str = "by hand",
) -> None:
    """`measure` every backend asked for; `module` is the benchmark's own name, and `theirs` what it is held against."""
    if options.in_this_process:
        measure(options, *options.backend)
        return
    header(options.rounds, theirs)
    for backend in options.backend:
        command = [sys.executable, "-m", module, *sys.argv[1:], "--in-this-process", "--backend", backend]
        environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
        subprocess.run(command, env=environment, check=True)


def header(rounds: int, theirs: str) -> None:
    """Print what the columns of `take_turns` are."""
    print(f"{'backend':12}{'':14}{'alae':>12}{theirs:>12}{'ratio':>8}  ratios of all {rounds} rounds", flush=True)


def take_turns(backend: str, what: str, rounds: int, ours: Callable[[], float], theirs: Callable[[], float]) -> None:
    """Print the row of two contenders that both tell the seconds they took."""
    pairs = [(ours(), theirs()) for _ in range(rounds)]
    ratios = sorted(mine / other for mine, other in pairs)
    mine, other = (statistics.median(column) * 1e3 for column in zip(*pairs, strict=True))
    spread = " ".join(f"{ratio:.2f}" for ratio in ratios)
    print(f"{backend:12}{what:14}{mine:9.2f} ms{other:9.2f} ms{statistics.median(ratios):8.2f}  {spread}", flush=True)
