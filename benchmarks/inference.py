"""Compare the time to encode, generate and reconstruct with the same networks written by hand and compiled.

    python -m benchmarks.inference [--models mnist-mlp=10000 celeba=32] [--backend jax …] [--rounds 5] [--quick]

Both contenders map NumPy arrays to NumPy arrays in chunks of the same size. Their results are compared before they are
timed. A turn is one pass over all images.
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
#: largest accepted difference of the contenders' results, relative to the largest number; the style model's differ by
#: 1e-5 through rounding
_TOLERANCE = 1e-4


def main() -> None:
    """Measure every model on every requested backend and print a table."""
    parser = turns.parser(__doc__.splitlines()[0], rounds=5)
    parser.add_argument(
        "--models", nargs="+", default=["mnist-mlp=10000", "celeba=32"], metavar="PRESET=COUNT", help="images per model"
    )
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.models = 1, ["digits-mlp=3", "digits-style=3"]
    turns.run("benchmarks.inference", options, measure)


def measure(options: argparse.Namespace, backend: str) -> None:
    """Print the rows of one backend."""
    opened = alae.load_backend(backend)
    for model in options.models:
        preset, _, count = model.partition("=")
        print(f"{preset}, {count} images on {opened.device}")
        _measure_model(backend, preset, int(count), options.rounds)


def _measure_model(backend: str, preset: str, count: int, rounds: int) -> None:
    config, random = alae.load_config(preset), np.random.default_rng(0)
    model = alae.build(config)
    # Initial biases and noise weights are zero: without other values, a contender that ignores them would pass.
    changed = {name: array + 0.1 * random.standard_normal(array.shape) for name, array in model.weights().items()}
    model.set_weights({name: array.astype(np.float32) for name, array in changed.items()})
    images = random.uniform(-1, 1, (count, *config.image)).astype(np.float32)
    w = random.standard_normal((count, config.networks.w)).astype(np.float32)
    # `generate` adds this noise by default.
    noise = [] if model.view is None else [model.sample_noise(1)]
    contender = import_module(f"benchmarks.{config.networks.family}_{backend}")
    chunk = next(iter(model.chunks(count))).stop
    for name, by_hand in contender.make_inference(config, model.weights(), *noise).items():
        inputs = w if name == "generate" else images
        ours, reference = getattr(model, name), _in_chunks(by_hand, chunk)
        # Call each twice, because the first call compiles.
        for _ in range(2):
            mine, other = ours(inputs), reference(inputs)
        difference = float(np.abs(mine - other).max() / np.abs(other).max())
        if difference > _TOLERANCE:
            raise SystemExit(f"{name} on {backend}: alae and by hand differ by {difference:.1e} of the largest number")
        turns.take_turns(backend, name, rounds, _contender(ours, inputs), _contender(reference, inputs))


def _in_chunks(function: Function, size: int) -> Function:
    def run(inputs: np.ndarray) -> np.ndarray:
        parts = [inputs[size * i : size * (i + 1)] for i in range(ceil(len(inputs) / size))]
        return np.concatenate([function(part) for part in parts])

    return run


def _contender(function: Function, inputs: np.ndarray) -> Callable[[], float]:
    """Return a function that calls `function(inputs)` and returns the seconds that it took."""

    def run() -> float:
        started = time.perf_counter()
        function(inputs)
        return time.perf_counter() - started

    return run


if __name__ == "__main__":
    main()
