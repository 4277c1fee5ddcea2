"""Two algorithms of the tests' own, to show that nothing beside `alae_core.updates` knows ALAE's networks and updates.

    pixels         G and E alone, trained by one update: no F, no D, no prior, no running mean of w
    alae+pixels    ALAE, and a fourth update that draws E and G together over pixels, with an Adam of its own

Both serve either family of networks.
"""

from collections.abc import Callable
from typing import Any

import pytest

from alae_core.algorithms import ALGORITHMS, Algorithm
from alae_core.config import Config
from alae_core.losses import squared_distance
from alae_core.networks.family import Family
from alae_core.updates import Batch, Update, alae_updates

Tensor = Any


def pixels(family: Family, batch: Batch, input_gradient: Callable[..., Any]) -> Tensor:
    """‖x − G(E(x))‖², averaged over the batch and over pixels."""
    level = {"lod": family.level_of(batch.images), "blend": batch.blend}
    w = family.encode(batch.images, labels=batch.labels, **level)
    made = family.generate(w, labels=batch.labels, noise=batch.draws.noise, **level)
    return squared_distance(batch.images, made, mean=True)


def pixels_updates(config: Config) -> tuple[Update, ...]:
    """One update."""
    return (Update("pixels", "P", pixels, {"E": "pixels", "G": "pixels"}, draws=("noise",), moves_w_mean=False),)


def four_updates(config: Config) -> tuple[Update, ...]:
    """ALAE's, and one more."""
    return (*alae_updates(config), *pixels_updates(config))


ALGORITHMS_OF_THE_TESTS = {
    "pixels": Algorithm({"G": "G", "E": "E"}, "tests.helpers.algorithms:pixels_updates"),
    "alae+pixels": Algorithm(ALGORITHMS["alae"].networks, "tests.helpers.algorithms:four_updates"),
}


def register(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make both known until the test is over."""
    for name, algorithm in ALGORITHMS_OF_THE_TESTS.items():
        monkeypatch.setitem(ALGORITHMS, name, algorithm)
