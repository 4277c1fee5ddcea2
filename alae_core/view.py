"""A level of detail to look at, and how far it has faded in."""

from dataclasses import dataclass

from alae_core.errors import ArgumentError


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
