"""How a model is looked at: at which level of detail, how far that has faded in, and with what noise."""

from dataclasses import dataclass
from typing import Literal

from alae_core.errors import ArgumentError

#: what a person says of G's noise. fixed: a map for each layer that serves every image, the same bits on every backend;
#: random: other maps for each image, and at every call; none: zero; bump: what the authors' code adds when told to
#: leave noise out (`networks.style`)
NoiseWord = Literal["fixed", "random", "none", "bump"]


@dataclass(frozen=True)
class View:
    """Where networks that grow are looked at; those that do not have no view, and None stands for it.

    Attributes:
        lod: the level of detail, from 0: images of 4·2^lod pixels.
        blend: how far the level has faded in, from 0 (the level below, enlarged) to 1.

    Raises ArgumentError for a level below 0, or a blend outside 0 … 1.
    """

    lod: int
    blend: float = 1.0

    def __post_init__(self) -> None:
        if self.lod < 0:
            raise ArgumentError("lod", f"is {self.lod}: levels of detail count from 0")
        if not 0 <= self.blend <= 1:
            raise ArgumentError("blend", f"is {self.blend}: it must lie in 0 … 1")

    @property
    def size(self) -> int:
        """Height and width of its images in pixels."""
        return 4 * 2**self.lod

    def __str__(self) -> str:
        fading = f" fading in, {self.blend:.0%}" if self.blend < 1 else ""
        return f"{self.size}×{self.size}{fading}"


def require_psi(psi: float) -> float:
    """`psi`, if styles can be truncated by it. Raises ArgumentError."""
    if not 0 <= psi <= 1:
        raise ArgumentError("psi", f"is {psi:g}: it must lie in 0 … 1")
    return psi
