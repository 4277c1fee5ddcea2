"""Compare the time of a training step with the same step written by hand in the same framework.

    python -m benchmarks.step [--preset mnist-mlp] [--backend jax …] [--rounds 9] [--quick]
    python -m benchmarks.step --preset mnist-style --lod 2 --rounds 3

A turn is a sequence of steps. As in training, the benchmark waits only for the last one.
"""

import argparse
import time
from bisect import bisect_left
from collections.abc import Callable
from importlib import import_module

import numpy as np

import alae_core as alae
from alae_core.growth import position, scheduled_steps
from benchmarks import turns


def main() -> None:
    """Measure every requested backend and print a table."""
    parser = turns.parser(__doc__.splitlines()[0], rounds=9)
    parser.add_argument(
        "--preset", default="mnist-mlp", help="an MLP preset with the paper's updates, or a style preset with official"
    )
    parser.add_argument("--lod", type=int, default=1, help="level of detail of a style preset, from 1 (default 1)")
    parser.add_argument("--seconds", type=float, default=1.5, help="approximate length of a turn (default 1.5)")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.seconds = 1, 0.0
    turns.run("benchmarks.step", options, measure)


def measure(options: argparse.Namespace, backend: str) -> None:
    """Print the row of one backend."""
    config = alae.load_config(options.preset)
    plugin = alae.load_backend(backend)
    model = alae.build(config)
    # Copy the weights first: the runner trains the model in place.
    weights = model.weights()
    runner = plugin.runner(model)
    contender = import_module(f"benchmarks.{config.networks.family}_{backend}")
    if model.view is None:
        images = _random_images(config.batch_size, config.image)
        by_hand = contender.make_step(config, weights, images)
    else:
        step = _fading_step(config, options.lod)
        runner.load(runner.state() | {"step": np.array(step)})
        here = position(config, step)
        weights = {name: array for name, array in weights.items() if model.family.takes_part(name, options.lod)}
        images = _random_images(here.stage.batch_size, (here.view.size, here.view.size, config.image[2]))
        by_hand = contender.make_step(config, weights, images, here.blend)
    batch = runner.put(images)
    ours = _contender(lambda: list(runner.step(batch).values()), lambda: runner.step(batch))
    reference = _contender(lambda: [float(loss) for loss in by_hand()], by_hand)
    steps = max(2, round(options.seconds / max(ours(3), 1e-4)))
    reference(3)
    turns.take_turns(backend, "step", options.rounds, lambda: ours(steps), lambda: reference(steps))


def _fading_step(config: alae.Config, lod: int) -> int:
    """Return the first step at which more than a quarter of level `lod` has faded in."""

    def is_reached(step: int) -> bool:
        here = position(config, step)
        return here.stage.lod > lod or (here.stage.lod == lod and here.blend > 0.25)

    return bisect_left(range(scheduled_steps(config)), True, key=is_reached)


def _random_images(count: int, shape: tuple[int, int, int]) -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, (count, *shape)).astype(np.float32)


def _contender(step_and_wait: Callable[[], object], step: Callable[[], object]) -> Callable[[int], float]:
    """Return a function that takes a number of steps and returns the seconds per step."""

    def run(steps: int) -> float:
        started = time.perf_counter()
        for _ in range(steps - 1):
            step()
        step_and_wait()
        return (time.perf_counter() - started) / steps

    return run


if __name__ == "__main__":
    main()
