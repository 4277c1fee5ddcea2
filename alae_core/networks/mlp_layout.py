"""The weights of MLP-ALAE's G and E, without Keras: perceptrons on flat images, to which labels are appended."""

from math import prod

from alae_core.config import Config
from alae_core.networks.specs import WeightSpec, perceptron


def generator(config: Config) -> dict[str, WeightSpec]:
    """The weights of G, by name within the network."""
    networks, pixels = config.mlp, prod(config.image)
    return perceptron(networks.G, networks.w + config.labels, pixels, equalized=networks.equalized)


def encoder(config: Config) -> dict[str, WeightSpec]:
    """The weights of E, by name within the network."""
    networks, pixels = config.mlp, prod(config.image)
    return perceptron(networks.E, pixels + config.labels, networks.w, equalized=networks.equalized)
