"""The layout of MLP-ALAE's G and E: perceptrons on flat images, with labels appended to their inputs."""

from math import prod

from alae_core.config import Config
from alae_core.networks.specs import WeightSpec, perceptron_layout


def generator_layout(config: Config) -> dict[str, WeightSpec]:
    """Return the specs of the weights of G, by name within the network."""
    networks, pixels = config.mlp, prod(config.image)
    return perceptron_layout(networks.G, networks.w + config.labels, pixels, networks.kernels)


def encoder_layout(config: Config) -> dict[str, WeightSpec]:
    """Return the specs of the weights of E, by name within the network."""
    networks, pixels = config.mlp, prod(config.image)
    return perceptron_layout(networks.E, pixels + config.labels, networks.w, networks.kernels)
