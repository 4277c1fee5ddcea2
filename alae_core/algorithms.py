"""What can be trained: for each algorithm its networks and the updates of a training step, by name.

An algorithm of one's own is a function of each kind and a line in `ALGORITHMS`; `config.algorithm` names it, and
training, checkpoints and every backend then know it.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import keras

from alae_core._support.text import suggest
from alae_core.baselines import autoencoder, bigan, vae
from alae_core.config import NETWORKS, Config
from alae_core.errors import ConfigError
from alae_core.networks.family import Family
from alae_core.networks.mlp import Perceptrons
from alae_core.networks.style import Styles
from alae_core.updates import Update, updates_of

#: by `config.networks.family`
FAMILIES: dict[str, type[Family]] = {"mlp": Perceptrons, "style": Styles}


class Algorithm(NamedTuple):
    """Networks, and the updates that train them.

    Attributes:
        networks: Keras models by name; where they are called F, G, E or D, they are what ALAE calls so.
        updates: the updates of one training step, in order. A loss finds the networks in `Alae.networks`.
    """

    networks: Callable[[Config], Mapping[str, keras.Model]]
    updates: Callable[[Config], tuple[Update, ...]]


def _of(name: str, updates: Callable[[Config], tuple[Update, ...]]) -> Algorithm:
    return Algorithm(lambda config: FAMILIES[config.networks.family].build(config, NETWORKS[name]), updates)


ALGORITHMS: dict[str, Algorithm] = {
    "alae": _of("alae", updates_of),
    "autoencoder": _of("autoencoder", autoencoder),
    "vae": _of("vae", vae),
    "bigan": _of("bigan", bigan),
}


def algorithm_of(config: Config) -> Algorithm:
    """The algorithm that `config` names. Raises ConfigError, naming those there are, where there is no such one."""
    if config.algorithm not in ALGORITHMS:
        names, hint = ", ".join(ALGORITHMS), suggest(config.algorithm, list(ALGORITHMS))
        raise ConfigError(f"there is no algorithm {config.algorithm!r}{hint}; algorithms: {names}")
    return ALGORITHMS[config.algorithm]
