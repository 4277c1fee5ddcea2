"""Compare a training step as it runs on several devices, of which there is one, with a plain step on that device.

    python -m benchmarks.overhead [--preset mnist-mlp] [--backend jax torch tensorflow] [--rounds 21] [--quick]

The first holds its state and batch on a mesh of one device (JAX), or exchanges means in a group of one process (PyTorch
and TensorFlow); the second is what `alae train` runs on one device. Both run on the CPU in one process, and take the
same number of steps per turn.
"""

import argparse
from collections.abc import Callable
from math import lcm
from typing import Any

import alae_core as alae
from alae_core.growth import position
from alae_core.spread import Spread, describe_processes
from benchmarks import turns


def main() -> None:
    """Measure every requested backend and print a table."""
    parser = turns.parser(__doc__.splitlines()[0], rounds=21)
    parser.add_argument("--preset", default="mnist-mlp", help="preset to measure (default mnist-mlp)")
    parser.add_argument("--seconds", type=float, default=0.5, help="approximate length of a turn (default 0.5)")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.seconds = 1, 0.0
    turns.run("benchmarks.overhead", options, measure, reference="plain step")


def measure(options: argparse.Namespace, backend: str) -> None:
    """Print the row of one backend."""
    config = alae.load_config(options.preset)
    opened: Any = alae.load_backend(backend, "cpu")
    attribute, value = prepare_spread(opened)
    plain = start_run(opened, config)
    setattr(opened, attribute, value)
    spread = start_run(opened, config)
    period = lcm(*(update.every for update in alae.build(config).updates))
    # The first calls compile.
    plain(2 * period), spread(2 * period)
    steps = period * max(1, round(options.seconds / plain(period) / period))
    turns.take_turns(backend, "step", options.rounds, lambda: spread(steps), lambda: plain(steps))


def start_run(backend: alae.Backend, config: alae.Config) -> Callable[[int], float]:
    """Start a run, and return a function that takes a number of its steps, and returns the seconds per step."""
    runner: Any = backend.runner(alae.build(config))
    here = position(config, 0)
    batch = runner.put(turns.random_images(here.stage.batch_size, runner.networks.image_shape(here.view)))
    return turns.make_contender(lambda: dict(runner.step(batch)), lambda: runner.step(batch))


def prepare_spread(backend: Any) -> tuple[str, Any]:
    """Return the attribute, and its value, with which runs of `backend` train as on several devices, here one.

    Call it before TensorFlow computes anything.
    """
    if backend.name == "jax":
        import jax

        return "mesh", jax.sharding.Mesh(jax.devices("cpu")[:1], ("rows",))
    (variables,) = describe_processes(1)
    address = f"{variables['MASTER_ADDR']}:{variables['MASTER_PORT']}"
    spread = Spread(address=address, addresses=(address,))
    if backend.name == "tensorflow":
        from alae_tensorflow.peers import TensorflowPeers

        return "peers", TensorflowPeers(spread)
    from alae_torch.peers import TorchPeers

    return "peers", TorchPeers(spread, backend.device)


if __name__ == "__main__":
    main()
