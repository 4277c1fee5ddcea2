"""Two third-party algorithms, which show that training does not depend on ALAE's networks and updates.

    pixels         G and E alone, trained by one update: without F, D, prior and running mean of w
    alae+pixels    ALAE and a fourth update, which trains E and G on pixels with its own Adam

Both work with both families of networks.
"""

from collections.abc import Callable
from typing import Any

import pytest

from alae_core.alae_losses import alae_updates
from alae_core.algorithms import ALGORITHMS, Algorithm
from alae_core.config import Config
from alae_core.losses import squared_distance
from alae_core.networks.family import Family
from alae_core.updates import Batch, Update

Tensor = Any


def pixels(family: Family, batch: Batch, input_gradient: Callable[..., Any]) -> Tensor:
    """‖x − G(E(x))‖², averaged over the batch and over pixels."""
    level = {"lod": family.level_of(batch.images), "blend": batch.blend}
    w = family.encode(batch.images, labels=batch.labels, **level)
    made = family.generate(w, labels=batch.labels, noise=batch.draws.noise, **level)
    return squared_distance(batch.images, made, mean=True)


def pixels_updates(config: Config) -> tuple[Update, ...]:
    """Return the only update of `pixels`."""
    return (Update("pixels", "P", pixels, {"E": "pixels", "G": "pixels"}, draws=("noise",), moves_w_mean=False),)


def four_updates(config: Config) -> tuple[Update, ...]:
    """Return ALAE's updates and `pixels`."""
    return (*alae_updates(config), *pixels_updates(config))


ALGORITHMS_OF_THE_TESTS = {
    "pixels": Algorithm({"G": "G", "E": "E"}, "tests.helpers.algorithms:pixels_updates"),
    "alae+pixels": Algorithm(ALGORITHMS["alae"].networks, "tests.helpers.algorithms:four_updates"),
}


def register(monkeypatch: pytest.MonkeyPatch) -> None:
    """Register both algorithms for one test."""
    for name, algorithm in ALGORITHMS_OF_THE_TESTS.items():
        monkeypatch.setitem(ALGORITHMS, name, algorithm)
