"""The kinds of things that plug-ins define: algorithms, families of networks, and objectives."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from alae_core.algorithms import ALGORITHMS, Algorithm
from alae_core.families import FAMILIES, FamilyDefinition
from alae_core.objectives import OBJECTIVES, Objective


class Kind(NamedTuple):
    """A kind of thing that plug-ins define.

    Attributes:
        name: its name in messages.
        own: what alae itself defines, by name.
        table: the name of the table in a plug-in's module.
        row: the type of the table's values.
    """

    name: str
    own: Mapping[str, Any]
    table: str
    row: type

    @property
    def group(self) -> str:
        """The group of entry points, such as "alae.algorithms"."""
        return f"alae.{self.table.lower()}"


ALGORITHM = Kind("algorithm", ALGORITHMS, "ALGORITHMS", Algorithm)
FAMILY = Kind("family", FAMILIES, "FAMILIES", FamilyDefinition)
OBJECTIVE = Kind("objective", OBJECTIVES, "OBJECTIVES", Objective)
KINDS = (ALGORITHM, FAMILY, OBJECTIVE)
