"""The algorithms that can be trained, each with its networks and the function that makes its updates.

To add an algorithm to alae, write a function from a `Config` to a tuple of updates (see `alae_losses.py` and
`baselines.py`), and add a row to `ALGORITHMS`; `config.algorithm` names it. To train one of your own without editing
alae, see docs/your-own.md. This module imports neither Keras nor the updates, so that configurations can be checked
without them.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple, get_args

from alae_core._support.lazy import load_object
from alae_core.groups import Settings

#: the kinds of network that every family can build: ALAE's own; "pair", a D on an image's code and another w; and
#: "identity", for algorithms with the prior on w
Shape = Literal["F", "G", "E", "D", "pair", "identity"]
SHAPES = get_args(Shape)


class Algorithm(NamedTuple):
    """The networks and updates of an algorithm.

    A function may also be given as "module:function", which is imported when the model is built.

    Attributes:
        networks: for each network, by name, its `Shape`, or a function from a configuration and a name to a Keras model
            of that name. Networks called F, G, E or D have the same role as in ALAE.
        updates: a function from a configuration to the updates of one training step, in order.
        settings: the type of the group `algorithm_settings`, if the algorithm has hyper-parameters.
    """

    networks: Mapping[str, str | Callable[..., Any]]
    updates: str | Callable[..., Any]
    settings: type[Settings] | None = None

    def load_updates(self) -> Any:
        """Import the function that makes the updates."""
        return load_object(self.updates)


#: every algorithm that is part of alae by name, the value of `config.algorithm`. V gives E's variance; X encodes images
#: for C, which discriminates pairs
ALGORITHMS: dict[str, Algorithm] = {
    "alae": Algorithm({"F": "F", "G": "G", "E": "E", "D": "D"}, "alae_core.alae_losses:alae_updates"),
    "autoencoder": Algorithm({"G": "G", "E": "E"}, "alae_core.baselines:autoencoder_updates"),
    "vae": Algorithm({"F": "identity", "G": "G", "E": "E", "V": "E"}, "alae_core.baselines:vae_updates"),
    "bigan": Algorithm(
        {"F": "identity", "G": "G", "E": "E", "X": "E", "C": "pair"}, "alae_core.baselines:bigan_updates"
    ),
}
