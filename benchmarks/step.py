"""How a training step's time compares with the same mathematics written by hand in the same framework.

    python -m benchmarks.step [--preset mnist-mlp] [--backend jax …] [--rounds 9]
    python -m benchmarks.step --preset mnist-style --lod 2 --rounds 3

Each backend runs in a process of its own. Both contenders take turns, some steps each, so that whatever else the
machine does falls on both; the ratio of each round is taken, and the median of these is what counts.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from bisect import bisect_left
from collections.abc import Callable
from importlib import import_module

import numpy as np

import alae_core as alae
from alae_core.growth import position, total_steps


def main() -> None:
    """Measure every backend asked for and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--preset", default="mnist-mlp", help="an mlp preset with paper updates, or a style preset with the authors'"
    )
    parser.add_argument(
        "--lod", type=int, default=1, help="level of detail at which a style preset is measured, from 1"
    )
    parser.add_argument("--backend", nargs="+", default=["jax", "torch", "tensorflow"])
    parser.add_argument("--rounds", type=int, default=9, help="turns of each contender")
    parser.add_argument("--seconds", type=float, default=1.5, help="about how long a turn is")
    parser.add_argument("--in-this-process", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.in_this_process:
        measure(options.backend[0], options.preset, options.lod, options.rounds, options.seconds)
        return
    print(f"{options.preset}, medians of {options.rounds} rounds")
    print(f"{'backend':12}{'alae':>12}{'by hand':>12}{'ratio':>8}  ratios of all rounds")
    for backend in options.backend:
        command = [sys.executable, "-m", "benchmarks.step", "--in-this-process", "--backend", backend]
        for option in ("preset", "lod", "rounds", "seconds"):
            command += [f"--{option}", str(getattr(options, option))]
        environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
        subprocess.run(command, env=environment, check=True)


def measure(backend: str, preset: str, lod: int, rounds: int, seconds: float) -> None:
    """Print one backend's row."""
    config = alae.load_config(preset)
    plugin = alae.load_backend(backend)
    model = alae.build(config)
    # Copies first: the runner trains the model in place.
    weights = model.weights()
    runner = plugin.runner(model, config)
    contender = import_module(f"benchmarks.{config.networks.family}_{backend}")
    if model.is_style:
        # A third into the level's fade, as if the steps before had been taken.
        steps = bisect_left(range(total_steps(config)), True, key=lambda step: _is_fading(config, step, lod))
        runner.load(runner.state() | {"step": np.array(steps)})
        here, size = position(config, steps), 4 * 2**lod
        weights = {name: array for name, array in weights.items() if model.takes_part(name, lod)}
        images = _images(here.stage.batch_size, (size, size, config.image[2]))
        by_hand = contender.make_step(config, weights, images, here.blend)
    else:
        images = _images(config.training.batch_size, config.image)
        by_hand = contender.make_step(config, weights, images)
    batch = runner.put(images)
    ours = _contender(lambda: list(runner.step(batch).values()), lambda: runner.step(batch))
    theirs = _contender(lambda: [float(loss) for loss in by_hand()], by_hand)
    steps = max(2, round(seconds / max(ours(3), 1e-4)))
    theirs(3)
    pairs = [(ours(steps), theirs(steps)) for _ in range(rounds)]
    ratios = [mine / other for mine, other in pairs]
    mine, other = (statistics.median(column) * 1e3 for column in zip(*pairs, strict=True))
    spread = " ".join(f"{ratio:.2f}" for ratio in sorted(ratios))
    print(f"{backend:12}{mine:9.2f} ms{other:9.2f} ms{statistics.median(ratios):8.2f}  {spread}", flush=True)


def _is_fading(config: alae.Config, step: int, lod: int) -> bool:
    here = position(config, step)
    return here.stage.lod > lod or (here.stage.lod == lod and here.blend > 0.25)


def _images(count: int, shape: tuple[int, int, int]) -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, (count, *shape)).astype(np.float32)


def _contender(step_and_wait: Callable[[], object], step: Callable[[], object]) -> Callable[[int], float]:
    """Seconds per step over some steps; only the last is waited for, as in training."""

    def run(steps: int) -> float:
        started = time.perf_counter()
        for _ in range(steps - 1):
            step()
        step_and_wait()
        return (time.perf_counter() - started) / steps

    return run


if __name__ == "__main__":
    main()
