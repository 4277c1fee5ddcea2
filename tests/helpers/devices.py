"""Tiny models trained on one device and on two; `python -m tests.helpers.devices BACKEND FOLDER CASE …`.

The two devices belong to this process (JAX), or to two processes, of which RANK and WORLD_SIZE describe this one. The
first process writes FOLDER/CASE.npz for one device and FOLDER/CASE-2.npz for two.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import alae_core as alae
from alae_core.backend import Losses
from alae_core.growth import position
from alae_core.spread import find_spread
from tests.conftest import random_images, tiny_config, tiny_style_config

STEPS = 20
_GROWTH = {"growth__levels": [{"images": 64, "batch_size": 8}, {"images": 96, "batch_size": 8}], "batch_size": 8}
_ADAPTS = {"augment": {"target": 0.1, "images": 200}}
# So small a difference of the first steps does not grow: adversarial training multiplies it by ten in a few steps.
_DOUBLE = {"precision": "float64"}
_EQUAL = _DOUBLE | {"networks__z": 6, "networks__w": 6}
CASES: dict[str, Callable[[], alae.Config]] = {
    "mlp-pairs": lambda: tiny_config(**_DOUBLE, objective="relativistic", r1_gamma=2.0, updates="official"),
    "style": lambda: tiny_style_config(**_DOUBLE, **_GROWTH, **_ADAPTS),
    "autoencoder": lambda: tiny_config(algorithm="autoencoder", **_EQUAL),
    "vae": lambda: tiny_config(algorithm="vae", **_EQUAL),
    "bigan": lambda: tiny_config(algorithm="bigan", **_EQUAL),
}


def train(backend: Any, config: alae.Config, microbatch: int | None = None) -> dict[str, np.ndarray]:
    """Train; return the first and the last state, as "before/…" and "after/…", and all losses in order, as "losses"."""
    runner = backend.runner(alae.build(config), microbatch=microbatch)
    found = {f"before/{name}": array for name, array in runner.state().items()}
    losses: list[Losses] = []
    for step in range(STEPS):
        where = position(config, step)
        shape = (where.view.size, where.view.size, config.image[2]) if where.view else config.image
        # Read when the run has ended, so that a step which overwrites the losses of another does not pass.
        losses.append(runner.step(random_images(where.stage.batch_size, shape, seed=step)))
    found |= {f"after/{name}": array for name, array in runner.state().items()}
    return found | {"losses": np.array([loss for each in losses for loss in each.values()])}


def main(name: str, folder: str, *cases: str) -> None:
    """Train all cases, each on one device first."""
    spread = find_spread(2)
    backend = alae.load_backend(name, "cpu", "float64", spread)
    rank = spread.rank if spread else 0
    for case in cases:
        found = train(backend, CASES[case]())
        if rank == 0:
            np.savez(Path(folder, f"{case}-2.npz"), **found)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(backend, "peers", None)
                if name == "jax":
                    patch.setattr(backend, "mesh", None)
                np.savez(Path(folder, f"{case}.npz"), **train(backend, CASES[case]()))


if __name__ == "__main__":
    main(*sys.argv[1:])
