"""The families of networks: for each, the fields of its group `networks`, and how its networks are built."""

from typing import Any, NamedTuple

from alae_core._support.lazy import load_object
from alae_core.groups import ConvNetworks, MlpNetworks, StyleNetworks


class FamilyDefinition(NamedTuple):
    """A family of networks.

    Attributes:
        settings: the type of the group `networks` of its configurations; that of a plug-in is a subclass of `Networks`.
        networks: a subclass of `alae_core.Family`, or "module:class", which is imported when the model is built.
        layout: the name of a module with the functions `generator_layout` and `encoder_layout`, from a `Config` to the
            specs of the weights of G and E (`networks.specs`). If None, the weights of G and E are known only once they
            are built, and estimates of memory leave them out.
    """

    settings: type[Any]
    networks: Any
    layout: str | None = None

    def load_networks(self) -> Any:
        """Import the subclass of `Family`."""
        return load_object(self.networks)


#: every family that is part of alae by name, the value of `config.networks.family`
FAMILIES: dict[str, FamilyDefinition] = {
    "mlp": FamilyDefinition(MlpNetworks, "alae_core.networks.mlp:Perceptrons", "alae_core.networks.mlp_layout"),
    "conv": FamilyDefinition(ConvNetworks, "alae_core.networks.conv:Convolutions", "alae_core.networks.conv_layout"),
    "style": FamilyDefinition(StyleNetworks, "alae_core.networks.style:Styles", "alae_core.networks.style_layout"),
}
