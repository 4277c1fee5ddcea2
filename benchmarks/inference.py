"""How long a model takes to encode, generate and reconstruct beside the same networks written by hand and compiled.

    python -m benchmarks.inference [--models mnist-mlp=10000 celeba=32] [--backend jax …] [--rounds 5]

Both contenders take and return NumPy arrays, work in chunks of the same size, and must agree before they are timed. A
turn is all images once.
"""

import argparse
import time
from collections.abc import Callable
from importlib import import_module
from math import ceil

import numpy as np

import alae_core as alae
from benchmarks import turns

Function = Callable[[np.ndarray], np.ndarray]


def main() -> None:
    """Measure every model on every backend asked for and print a table."""
    parser = turns.parser(__doc__.splitlines()[0], rounds=5)
    parser.add_argument(
        "--models", nargs="+", default=["mnist-mlp=10000", "celeba=32"], help="presets, and how many images of each"
    )
    turns.run("benchmarks.inference", parser.parse_args(), measure)


def measure(options: argparse.Namespace, backend: str) -> None:
    """Print one backend's rows."""
    plugin = alae.load_backend(backend)
    for model in options.models:
        preset, _, count = model.partition("=")
        print(f"{preset}, {count} images on {plugin.device}")
        _measure(backend, preset, int(count), options.rounds)


def _measure(backend: str, preset: str, count: int, rounds: int) -> None:
    config, draw = alae.load_config(preset), np.random.default_rng(0)
    model = alae.build(config)
    # As if trained: initial biases and weights of noise are zero, and a contender without them would pass.
    changed = {name: array + 0.1 * draw.standard_normal(array.shape) for name, array in model.weights().items()}
    model.set_weights({name: array.astype(np.float32) for name, array in changed.items()})
    images = draw.uniform(-1, 1, (count, *config.image)).astype(np.float32)
    w = draw.standard_normal((count, config.networks.w)).astype(np.float32)
    # What `generate` adds by default.
    noise = [] if model.view is None else [model.sample_noise(1)]
    contender = import_module(f"benchmarks.{config.networks.family}_{backend}")
    chunk = model.chunks(count)[0].stop
    for name, by_hand in contender.make_inference(config, model.weights(), *noise).items():
        inputs = w if name == "generate" else images
        ours, theirs = getattr(model, name), _in_chunks(by_hand, chunk)
        # Twice: the first call of each compiles.
        for _ in range(2):
            mine, other = ours(inputs), theirs(inputs)
        difference = float(np.abs(mine - other).max() / np.abs(other).max())
        # Rounding alone came to 1e-5 on the style model.
        if difference > 1e-4:
            raise SystemExit(f"{name} on {backend}: alae and by hand differ by {difference:.1e} of the largest number")
        turns.take_turns(backend, name, rounds, _contender(ours, inputs), _contender(theirs, inputs))


def _in_chunks(function: Function, size: int) -> Function:
    def run(inputs: np.ndarray) -> np.ndarray:
        parts = [inputs[size * i : size * (i + 1)] for i in range(ceil(len(inputs) / size))]
        return np.concatenate([function(part) for part in parts])

    return run


def _contender(function: Function, inputs: np.ndarray) -> Callable[[], float]:
    def run() -> float:
        started = time.perf_counter()
        function(inputs)
        return time.perf_counter() - started

    return run


if __name__ == "__main__":
    main()
