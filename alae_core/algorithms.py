"""The algorithms that can be trained, each with its networks and the function that makes its updates.

To add an algorithm, write a function from a `Config` to a tuple of updates (see `updates.py` and `baselines.py`), and
add a row to `ALGORITHMS`; `config.algorithm` names it. Training, checkpoints and every backend then support it. This
module imports neither Keras nor the updates, so that configurations can be checked without them.
"""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, cast, get_args

from alae_core._support.lazy import load_object
from alae_core._support.text import suggest
from alae_core.errors import ConfigError

#: the kinds of network that every family can build: ALAE's own; "pair", a D on an image's code and another w; and
#: "identity", for algorithms with the prior on w
Shape = Literal["F", "G", "E", "D", "pair", "identity"]
SHAPES = get_args(Shape)


class Algorithm(NamedTuple):
    """One row of the table.

    Attributes:
        networks: for each network, by name, its `Shape`, or the "module:function" that maps a configuration and a name
            to a Keras model. Networks called F, G, E or D have the same role as in ALAE.
        updates: the "module:function" that maps a configuration to the updates of one training step, in order.
    """

    networks: Mapping[str, str]
    updates: str

    def load_updates(self) -> Any:
        """Import the function that makes the updates."""
        return load_object(self.updates)


#: every algorithm by name, the value of `config.algorithm`. V gives E's variance; X encodes images for C, which
#: discriminates pairs
ALGORITHMS: dict[str, Algorithm] = {
    "alae": Algorithm({"F": "F", "G": "G", "E": "E", "D": "D"}, "alae_core.updates:alae_updates"),
    "autoencoder": Algorithm({"G": "G", "E": "E"}, "alae_core.baselines:autoencoder_updates"),
    "vae": Algorithm({"F": "identity", "G": "G", "E": "E", "V": "E"}, "alae_core.baselines:vae_updates"),
    "bigan": Algorithm(
        {"F": "identity", "G": "G", "E": "E", "X": "E", "C": "pair"}, "alae_core.baselines:bigan_updates"
    ),
}


def find_algorithm(name: str) -> Algorithm:
    """Return the algorithm called `name`. Raises ConfigError, listing the algorithms, if there is none."""
    if name not in ALGORITHMS:
        names, hint = ", ".join(ALGORITHMS), suggest(name, list(ALGORITHMS))
        raise ConfigError(f"there is no algorithm {name!r}{hint}; algorithms: {names}")
    return ALGORITHMS[name]


def network_shapes(name: str) -> dict[str, Shape]:
    """Return the networks with a `Shape` of the algorithm called `name`, by name; empty if the algorithm is unknown."""
    networks = ALGORITHMS[name].networks if name in ALGORITHMS else {}
    return {network: cast(Shape, shape) for network, shape in networks.items() if shape in SHAPES}
