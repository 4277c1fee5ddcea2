"""The layout of a model: the specs of all its weights by name, known before networks are built, without Keras."""

from alae_core.algorithms import Shape, network_shapes
from alae_core.config import Config
from alae_core.networks import conv_layout, mlp_layout, style_layout
from alae_core.networks.specs import Section, WeightSpec, join_parts, perceptron_layout

#: by `config.networks.family`
_FAMILIES = {"mlp": mlp_layout, "conv": conv_layout, "style": style_layout}


def layout(config: Config) -> dict[str, WeightSpec]:
    """Return the specs of all weights of a model, by their names in checkpoints, such as "F/dense0/kernel"."""
    shapes = network_shapes(config.algorithm)
    return join_parts({name: network_layout(config, shape) for name, shape in shapes.items()})


def network_section(config: Config, name: str, shape: Shape) -> Section:
    """Return the section from which a network called `name` is built."""
    return Section(name, network_layout(config, shape), config.seed)


def network_layout(config: Config, shape: Shape) -> dict[str, WeightSpec]:
    """Return the specs of the weights of one network, by name within the network."""
    networks = config.networks
    family, z, w, kernels = _FAMILIES[networks.family], networks.z, networks.w, networks.kernels
    match shape:
        case "F":
            return perceptron_layout(networks.F, z, w, kernels)
        case "G":
            return family.generator_layout(config)
        case "E":
            return family.encoder_layout(config)
        case "D" if networks.discriminator == "images":
            return style_layout.discriminator_layout(config)
        case "D":
            return perceptron_layout(networks.D, w, 1, kernels)
        case "pair":
            return perceptron_layout(networks.D, 2 * w, 1, kernels)
        case "identity":
            return {}
