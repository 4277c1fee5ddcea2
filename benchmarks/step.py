"""Compare the time of a training step with the same step written by hand in the same framework.

    python -m benchmarks.step [--preset mnist-mlp] [--backend jax …] [--rounds 9] [--quick]
    python -m benchmarks.step --preset mnist-conv
    python -m benchmarks.step --preset mnist-style --lod 2 --rounds 3

A turn is a sequence of steps. As in training, the benchmark waits only for the last one. If updates run at every k-th
step, each turn has the same number of them. The second line of a backend compares the arithmetic of alae's step per
second with that of a bare matrix product, again in turns; `benchmarks.arithmetic` defines what is counted.
"""

import argparse
import statistics
from bisect import bisect_left
from collections.abc import Callable
from importlib import import_module
from math import lcm
from typing import Any

import numpy as np

import alae_core as alae
from alae_core.growth import position, scheduled_steps
from alae_workbench import load_experiment
from benchmarks import turns
from benchmarks.arithmetic import count_operations, time_product

#: largest relative difference of losses in the first steps by hand and by alae. Rounding grows from step to step:
#: measured up to 2e-6 in the first three steps, and 2e-3 in the fifth
_TOLERANCE, _STEPS = 5e-3, 5
#: side of the matrices whose product is timed
_SIDE, _QUICK_SIDE = 2048, 256


def main() -> None:
    """Measure every requested backend and print a table."""
    parser = turns.parser(__doc__.splitlines()[0], rounds=9)
    parser.add_argument(
        "--preset",
        default="mnist-mlp",
        help="an MLP preset with the paper's updates, a style preset with official, or a conv preset with joint",
    )
    parser.add_argument("--lod", type=int, default=1, help="level of detail of a style preset, from 1 (default 1)")
    parser.add_argument("--seconds", type=float, default=1.5, help="approximate length of a turn (default 1.5)")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.seconds = 1, 0.0
    turns.run("benchmarks.step", options, measure)


def measure(options: argparse.Namespace, backend: str) -> None:
    """Print the row of one backend."""
    config = load_experiment(options.preset).config
    if config.networks.family == "conv":
        # As fast, and rounding does not reverse the steps of weights with tiny gradients.
        config = config.model_copy(update={"adam": config.adam.model_copy(update={"epsilon": 1e-3})})
    opened = alae.load_backend(backend)
    model = alae.build(config)
    # Copy the weights first: the runner trains the model in place.
    weights = model.weights()
    runner = opened.runner(model)
    contender = import_module(f"benchmarks.{config.networks.family}_{backend}")
    if model.view is None:
        images = turns.random_images(config.batch_size, config.image)
        by_hand = contender.make_step(config, weights, images)
    else:
        step = _fading_step(config, options.lod)
        runner.load(runner.state() | {"step": np.array(step)})
        here = position(config, step)
        weights = {name: array for name, array in weights.items() if model.family.takes_part(name, options.lod)}
        images = turns.random_images(here.stage.batch_size, (here.view.size, here.view.size, config.image[2]))
        by_hand = contender.make_step(config, weights, images, here.blend)
    batch = runner.put(images)
    if config.networks.family == "conv":
        _require_equal_losses(runner, by_hand, batch)
    ours = turns.make_contender(lambda: list(runner.step(batch).values()), lambda: runner.step(batch))
    reference = turns.make_contender(lambda: [float(loss) for loss in by_hand()], by_hand)
    period = lcm(2, *(update.every for update in model.updates))
    # The first call of each compiles.
    ours(period), reference(period)
    steps = period * max(1, round(options.seconds / max(ours(period), 1e-4) / period))
    reference(period)
    turns.take_turns(backend, "step", options.rounds, lambda: ours(steps), lambda: reference(steps))
    shapes = {name: array.shape for name, array in weights.items()}
    operations = count_operations(config, shapes, len(images))
    product = time_product(_QUICK_SIDE if options.quick else _SIDE)
    product(1)
    pairs = [(operations / ours(steps), product(4)) for _ in range(options.rounds)]
    mine, bare = (statistics.median(column) / 1e9 for column in zip(*pairs, strict=True))
    share = statistics.median(step / matrix for step, matrix in pairs)
    speeds = f"{mine:.1f} of {bare:.1f} Gop/s of a matrix product"
    print(f"{backend:12}{'arithmetic':14}{operations / 1e9:9.2f} Gop{share:12.0%}  {speeds}", flush=True)


def _require_equal_losses(runner: alae.Runner, by_hand: Callable[..., list[object]], batch: Any) -> None:
    """Take the first steps of both with the same z; exit if a loss differs."""
    for step in range(_STEPS):
        draws = runner.draws(step, len(batch.images))
        mine = list(runner.step(batch, draws=draws).values())
        other = [float(loss) for loss in by_hand([draws[name].z for name in ("discriminator", "generator")])]
        if not np.allclose(mine, other, rtol=_TOLERANCE, atol=0):
            raise SystemExit(f"the losses of step {step} differ: alae {mine}, by hand {other}")


def _fading_step(config: alae.Config, lod: int) -> int:
    """Return the first step at which more than a quarter of level `lod` has faded in."""

    def is_reached(step: int) -> bool:
        here = position(config, step)
        return here.stage.lod > lod or (here.stage.lod == lod and here.blend > 0.25)

    return bisect_left(range(scheduled_steps(config)), True, key=is_reached)


if __name__ == "__main__":
    main()
