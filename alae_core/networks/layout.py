"""The layout of a model: the specs of all its weights by name, known before networks are built, without Keras."""

from importlib import import_module
from typing import Any, cast

from alae_core.algorithms import SHAPES, Shape
from alae_core.config import Config
from alae_core.lookup import find_algorithm, find_family
from alae_core.networks import style_layout
from alae_core.networks.specs import Section, WeightSpec, join_parts, perceptron_layout


def network_shapes(config: Config) -> dict[str, Shape]:
    """Return the networks of a `Shape` by name, except G and E of a family without a layout."""
    shapes, networks = find_algorithm(config.algorithm, config.plugins).networks, _find_layout(config)
    known = SHAPES if networks else [shape for shape in SHAPES if shape not in ("G", "E")]
    return {network: cast(Shape, shape) for network, shape in shapes.items() if shape in known}


def layout(config: Config) -> dict[str, WeightSpec]:
    """Return the specs of the weights of `network_shapes`, by their names in checkpoints, such as "F/dense0/kernel"."""
    return join_parts({name: network_layout(config, shape) for name, shape in network_shapes(config).items()})


def network_section(config: Config, name: str, shape: Shape) -> Section:
    """Return the section from which a network called `name` is built."""
    return Section(name, network_layout(config, shape), config.seed)


def network_layout(config: Config, shape: Shape) -> dict[str, WeightSpec]:
    """Return the specs of the weights of one network, by name within the network; none for G and E without a layout."""
    networks = config.networks
    family, z, w, kernels = _find_layout(config), networks.z, networks.w, networks.kernels
    match shape:
        case "F":
            return perceptron_layout(networks.F, z + config.classes_of("F"), w, kernels)
        case "G":
            return family.generator_layout(config) if family else {}
        case "E":
            return family.encoder_layout(config) if family else {}
        case "D" if networks.discriminator == "images":
            return style_layout.discriminator_layout(config)
        case "D":
            return perceptron_layout(networks.D, w, config.classes_of("D") or 1, kernels)
        case "pair":
            return perceptron_layout(networks.D, 2 * w, 1, kernels)
        case "identity":
            return {}


def _find_layout(config: Config) -> Any:
    """Return the module with the layouts of the family's G and E, or None."""
    name = find_family(config.networks.family, config.plugins).layout
    return name and import_module(name)
