"""Tiny models trained on one device and on two; `python -m tests.helpers.devices BACKEND FOLDER CASE[:FAULT] …`.

The two devices belong to this process (JAX), or to two processes, of which RANK and WORLD_SIZE describe this one. The
first process writes FOLDER/CASE.npz for one device, FOLDER/CASE-2.npz for two, and FOLDER/CASE-FAULT.npz for two with a
fault.
"""

import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import alae_core as alae
from alae_core.growth import position
from alae_core.spread import find_spread
from tests.conftest import random_images, tiny_config, tiny_conv_config, tiny_style_config

STEPS = 20
#: batches of 8, which two devices share also in whole groups of four images
_GROWTH = {"growth__levels": [{"images": 64, "batch_size": 8}, {"images": 96, "batch_size": 8}], "batch_size": 8}
_ADAPTS = {"augment": {"target": 0.1, "images": 200}}
# So small a difference of the first steps does not grow: adversarial training multiplies it by ten in a few steps.
_DOUBLE = {"precision": "float64"}
_EQUAL = _DOUBLE | {"networks__z": 6, "networks__w": 6}
CASES: dict[str, Callable[[], alae.Config]] = {
    "mlp": lambda: tiny_config(**_DOUBLE),
    "mlp-pairs": lambda: tiny_config(**_DOUBLE, objective="relativistic", r1_gamma=2.0, updates="official"),
    "conv": lambda: tiny_conv_config(**_DOUBLE),
    "style": lambda: tiny_style_config(**_DOUBLE, **_GROWTH, **_ADAPTS),
    "style-images": lambda: tiny_style_config(**_DOUBLE, **_GROWTH, networks__discriminator="images"),
    "autoencoder": lambda: tiny_config(algorithm="autoencoder", **_EQUAL),
    "vae": lambda: tiny_config(algorithm="vae", **_EQUAL),
    "bigan": lambda: tiny_config(algorithm="bigan", **_EQUAL),
}


def make_address(processes: int) -> dict[str, str]:
    """Return the variables by which processes of this machine find each other, with a free port."""
    with socket.socket() as found:
        found.bind(("localhost", 0))
        port = found.getsockname()[1]
    return {"MASTER_ADDR": "localhost", "MASTER_PORT": str(port), "WORLD_SIZE": str(processes)}


def train(backend: alae.Backend, config: alae.Config) -> dict[str, np.ndarray]:
    """Train; return the first and the last state, as "before/…" and "after/…", and all losses in order, as "losses"."""
    runner = backend.runner(alae.build(config))
    found = {f"before/{name}": array for name, array in runner.state().items()}
    losses: list[float] = []
    for step in range(STEPS):
        where = position(config, step)
        shape = (where.view.size, where.view.size, config.image[2]) if where.view else config.image
        losses += dict(runner.step(random_images(where.stage.batch_size, shape, seed=step))).values()
    found |= {f"after/{name}": array for name, array in runner.state().items()}
    return found | {"losses": np.array(losses)}


def plant(patch: pytest.MonkeyPatch, fault: str, rank: int) -> None:
    """Plant a fault of PyTorch's processes."""
    from alae_torch.peers import TorchPeers
    from alae_torch.runner import TorchRunner

    reduce, mean, put, share_noise = (
        TorchRunner.reduce,
        TorchPeers.mean,
        TorchRunner.put,
        TorchRunner.share_noise,
    )

    def reduce_all_but(marks: Callable[[set[str]], bool]) -> None:
        patch.setattr(TorchRunner, "reduce", lambda self, means: means if marks(set(means)) else reduce(self, means))

    def take_first_rows(self: Any, maps: list[Any]) -> list[Any]:
        with pytest.MonkeyPatch.context() as inner:
            inner.setattr(self, "share", self.share._replace(part=0))
            return share_noise(self, maps)

    match fault:
        case "no-division":
            patch.setattr(TorchPeers, "mean", lambda self, tensors: [2 * each for each in mean(self, tensors)])
        case "one-update-not-reduced":
            reduce_all_but(lambda names: any(name.startswith("F/") for name in names))
        case "mean-of-w-not-reduced":
            reduce_all_but(lambda names: "w_mean" in names)
        case "p-not-reduced":
            reduce_all_but(lambda names: "separation" in names)
        case "noise-repeats":
            patch.setattr(TorchRunner, "share_noise", take_first_rows)
        case "another-order-on-one-device":
            order = slice(None, None, -1 if rank else 1)
            patch.setattr(TorchRunner, "put", lambda self, images, labels=None: put(self, images[order], labels))
        case "deviation-over-half-a-batch":
            patch.setattr("alae_core.shares.COMPARED", 1)
        case _:
            raise ValueError(fault)


def main(name: str, folder: str, *cases: str) -> None:
    """Train all cases, each on one device first."""
    spread = find_spread(2)
    backend = alae.load_backend(name, "cpu", "float64", spread)
    rank = spread.rank if spread else 0
    for case in cases:
        kind, _, fault = case.partition(":")
        config = CASES[kind]()
        with pytest.MonkeyPatch.context() as patch:
            if fault:
                plant(patch, fault, rank)
            found = train(backend, config)
            if rank == 0:
                np.savez(Path(folder, f"{kind}-{fault or 2}.npz"), **found)
        if rank == 0 and not fault:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(backend, "peers", None)
                if name == "jax":
                    patch.setattr(backend, "mesh", None)
                np.savez(Path(folder, f"{kind}.npz"), **train(backend, config))


if __name__ == "__main__":
    main(*sys.argv[1:])
