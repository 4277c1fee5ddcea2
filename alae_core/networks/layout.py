"""The layout of a model: every weight of its networks by name, known before a network is built and without Keras."""

from alae_core.algorithms import Shape, network_shapes
from alae_core.config import Config
from alae_core.networks import mlp_layout, style_layout
from alae_core.networks.specs import Section, WeightSpec, perceptron, under

#: by `config.networks.family`
_FAMILIES = {"mlp": mlp_layout, "style": style_layout}


def layout(config: Config) -> dict[str, WeightSpec]:
    """Every weight of the networks of `config.algorithm`, by its name in checkpoints, such as "F/dense0/kernel"."""
    found: dict[str, WeightSpec] = {}
    for name, shape in network_shapes(config.algorithm).items():
        found |= under(name, network_layout(config, shape))
    return found


def network_section(config: Config, name: str, shape: Shape) -> Section:
    """The layout and seed that a network called `name` is built from."""
    return Section(name, network_layout(config, shape), config.seed)


def network_layout(config: Config, shape: Shape) -> dict[str, WeightSpec]:
    """The weights of one network by name within it."""
    networks = config.networks
    family, z, w, equalized = _FAMILIES[networks.family], networks.z, networks.w, networks.equalized
    match shape:
        case "F":
            return perceptron(networks.F, z, w, equalized=equalized)
        case "G":
            return family.generator(config)
        case "E":
            return family.encoder(config)
        case "D" if networks.discriminator == "images":
            return style_layout.discriminator(config)
        case "D":
            return perceptron(networks.D, w, 1, equalized=equalized)
        case "pair":
            return perceptron(networks.D, 2 * w, 1, equalized=equalized)
        case "identity":
            return {}
