"""The level of detail at which a model computes, and the modes of noise."""

from dataclasses import dataclass
from typing import Literal

from alae_core.errors import ArgumentError

#: modes of G's noise. fixed: one map per layer for all images, the same bits on every backend; random: new maps for
#: each image at every call; none: zero; bump: the constant that the authors' code adds instead of noise
#: (`networks.style`)
NoiseWord = Literal["fixed", "random", "none", "bump"]


@dataclass(frozen=True)
class View:
    """A level of detail, and how far it has faded in. For networks without levels None is used instead.

    Attributes:
        lod: the level of detail, from 0: images of 4·2^lod pixels a side.
        blend: how far the level has faded in, from 0 (the level below, upsampled) to 1.

    Raises ArgumentError if the level is negative, or the blend outside 0 … 1.
    """

    lod: int
    blend: float = 1.0

    def __post_init__(self) -> None:
        if self.lod < 0:
            raise ArgumentError("lod", f"is {self.lod}: levels of detail start at 0")
        if not 0 <= self.blend <= 1:
            raise ArgumentError("blend", f"is {self.blend}: it must lie in 0 … 1")

    @property
    def size(self) -> int:
        """The height and width of its images in pixels."""
        return 4 * 2**self.lod

    def __str__(self) -> str:
        fading = f" fading in, {self.blend:.0%}" if self.blend < 1 else ""
        return f"{self.size}×{self.size}{fading}"


def require_psi(psi: float) -> float:
    """Return `psi`. Raises ArgumentError if styles cannot be truncated by it."""
    if not 0 <= psi <= 1:
        raise ArgumentError("psi", f"is {psi:g}: it must lie in 0 … 1")
    return psi
