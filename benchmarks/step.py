"""How a training step's time compares with the same mathematics written by hand in the same framework.

    python -m benchmarks.step [--preset mnist-mlp] [--backend jax …] [--rounds 9]

Each backend runs in a process of its own. Both contenders take turns, some steps each, so that whatever else the
machine does falls on both; the ratio of each round is taken, and the median of these is what counts.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np

import alae_core as alae


def main() -> None:
    """Measure every backend asked for and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="mnist-mlp", help="an MLP preset with paper updates")
    parser.add_argument("--backend", nargs="+", default=["jax", "torch", "tensorflow"])
    parser.add_argument("--rounds", type=int, default=9, help="turns of each contender")
    parser.add_argument("--seconds", type=float, default=1.5, help="about how long a turn is")
    parser.add_argument("--in-this-process", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.in_this_process:
        measure(options.backend[0], options.preset, options.rounds, options.seconds)
        return
    print(f"{options.preset}, medians of {options.rounds} rounds")
    print(f"{'backend':12}{'alae':>12}{'by hand':>12}{'ratio':>8}  ratios of all rounds")
    for backend in options.backend:
        command = [sys.executable, "-m", "benchmarks.step", "--in-this-process", "--backend", backend]
        command += ["--preset", options.preset, "--rounds", str(options.rounds), "--seconds", str(options.seconds)]
        environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
        subprocess.run(command, env=environment, check=True)


def measure(backend: str, preset: str, rounds: int, seconds: float) -> None:
    """Print one backend's row."""
    config = alae.load_config(preset)
    plugin = alae.load_backend(backend)
    model = alae.build(config)
    # Copies first: the runner trains the model in place.
    weights = model.weights()
    images = np.random.default_rng(0).uniform(-1, 1, (config.training.batch_size, *config.image)).astype(np.float32)
    runner = plugin.runner(model, config)
    batch = runner.put(images)
    ours = _contender(lambda: list(runner.step(batch).values()), lambda: runner.step(batch))
    by_hand = _by_hand(backend)(config, weights, images)
    theirs = _contender(lambda: [float(loss) for loss in by_hand()], by_hand)
    steps = max(3, round(seconds / max(ours(3), 1e-4)))
    theirs(3)
    pairs = [(ours(steps), theirs(steps)) for _ in range(rounds)]
    ratios = [mine / other for mine, other in pairs]
    mine, other = (statistics.median(column) * 1e3 for column in zip(*pairs, strict=True))
    spread = " ".join(f"{ratio:.2f}" for ratio in sorted(ratios))
    print(f"{backend:12}{mine:9.2f} ms{other:9.2f} ms{statistics.median(ratios):8.2f}  {spread}", flush=True)


def _contender(step_and_wait: Callable[[], object], step: Callable[[], object]) -> Callable[[int], float]:
    """Seconds per step over some steps; only the last is waited for, as in training."""

    def run(steps: int) -> float:
        started = time.perf_counter()
        for _ in range(steps - 1):
            step()
        step_and_wait()
        return (time.perf_counter() - started) / steps

    return run


def _by_hand(backend: str) -> Callable[..., Callable[[], object]]:
    from importlib import import_module

    return import_module(f"benchmarks.handwritten_{backend}").make_step


if __name__ == "__main__":
    main()
