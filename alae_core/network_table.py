"""The table of a model that notebooks show: the input, output and number of weights of each network."""

from collections.abc import Mapping
from math import prod
from typing import Any

from alae_core._support.html import make_table
from alae_core.config import Config


def count_by_network(networks: Mapping[str, Any]) -> dict[str, int]:
    """Return the number of weights of each Keras model by name."""
    return {name: sum(prod(weight.shape) for weight in network.weights) for name, network in networks.items()}


def make_network_table(config: Config, weights: Mapping[str, int]) -> str:
    """Return an HTML table of networks, with the number of weights of each by name."""
    size = "×".join(map(str, config.image))
    z, w, image = f"z ({config.networks.z})", f"w ({config.networks.w})", f"image ({size})"
    maps = {
        "F": f"{z} → {w}",
        "G": f"{w} → {image}",
        "E": f"{image} → {z if config.reciprocity == 'z' else w}",
        "D": f"{w if config.networks.discriminator == 'latent' else image} → logit",
    }
    rows = [{"network": name, "maps": maps.get(name), "weights": count} for name, count in weights.items()]
    return make_table(rows, f"{config.algorithm} with {config.networks.family} networks: {config}")
