"""Keras models as networks of alae: initial weights that follow from the seed, checks, and names of weights."""

import random
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from alae_core._support.text import short_repr
from alae_core.config import Config
from alae_core.errors import AlaeError
from alae_core.networks.specs import WeightSpec

if TYPE_CHECKING:
    import keras


@contextmanager
def prepare_keras(config: Config, name: str) -> Iterator[None]:
    """Let Keras' own layers have the dtype of `config`, and initial weights that follow from the seed and a name."""
    import keras

    # Keras' initializers draw their seeds from Python's generator.
    state, floatx, policy = random.getstate(), keras.config.floatx(), keras.config.dtype_policy()
    random.seed(f"{config.seed}/{name}")
    if config.dtype == "float64":
        _keep_float64()
    keras.config.set_floatx(config.dtype)
    keras.config.set_dtype_policy(config.dtype)
    try:
        yield
    finally:
        random.setstate(state)
        keras.config.set_floatx(floatx)
        keras.config.set_dtype_policy(policy)


def _keep_float64() -> None:
    """Let Keras' layers and functions keep float64. On JAX and PyTorch, they would round it to float32."""
    from keras.src.backend.common import dtypes

    dtypes.BIT64_TO_BIT32_DTYPE["float64"] = "float64"


def require_model(name: str, network: Any) -> "keras.Model":
    """Return a network. Raises AlaeError if it is not a Keras model that is built, or has weights besides trained ones.

    Only trained weights are part of a run's state.
    """
    import keras

    if not isinstance(network, keras.Model) or not network.built:
        raise AlaeError(f"the network {name} is {short_repr(network)}: it must be a Keras model that is built")
    untrained = [weight.path for weight in network.non_trainable_weights]
    if untrained:
        raise AlaeError(
            f"the network {name} has weights that are not trained, such as {untrained[0]}, which checkpoints would not "
            "hold: replace its layer, for example batch normalization by layer normalization"
        )
    return network


def list_weights(name: str, network: "keras.Model") -> dict[str, tuple[Any, WeightSpec]]:
    """Return every trainable weight of a network, and its spec, by its name within alae."""
    from alae_core.networks.layers import SpecLayer

    specs = {
        id(weight): layer.section.own[weight.name]
        for layer in network._flatten_layers()
        if isinstance(layer, SpecLayer)
        for weight in layer._trainable_variables
    }
    found: dict[str, tuple[Any, WeightSpec]] = {}
    numbers = _renumber_layers(network)
    for weight in network.trainable_variables:
        # Layers of other libraries use their weights as they are, at all levels of detail.
        spec = specs.get(id(weight), WeightSpec(tuple(weight.shape), "zeros"))
        path = "/".join(numbers.get(part, part) for part in weight.path.split("/"))
        own = f"{name}/{path.removeprefix(name + '/')}"
        if own in found:
            raise AlaeError(f"the network {name} has two weights called {own}: give its layers different names")
        found[own] = weight, spec
    return found


def _renumber_layers(network: "keras.Model") -> dict[str, str]:
    """Return a name for each layer that Keras named by its class: "dense", "dense_1", … within the network.

    Keras counts such layers in the whole process, so its own names differ from one build to the next.
    """
    counts: Counter[str] = Counter()
    names = {}
    for layer in network._flatten_layers():
        kind = re.sub(r"_\d+$", "", layer.name)
        if kind.replace("_", "") == type(layer).__name__.replace("_", "").lower() and layer.name not in names:
            names[layer.name] = f"{kind}_{counts[kind]}" if counts[kind] else kind
            counts[kind] += 1
    return names
