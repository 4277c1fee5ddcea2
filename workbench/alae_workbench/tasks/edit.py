"""`alae edit`: move images along directions in w."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from PIL import Image

from alae_core import ArgumentError
from alae_core.streams import Noise
from alae_workbench.data.derived import Subset, take_first
from alae_workbench.data.source import Source, get_names
from alae_workbench.figures.grid import compose_grid
from alae_workbench.figures.image_files import name_by_source
from alae_workbench.figures.save import encode_figure
from alae_workbench.models.directions import Direction, list_names, load_direction
from alae_workbench.models.mixing import make_latents
from alae_workbench.models.opening import Images, OpenedModel
from alae_workbench.tasks.load import Model, load


@dataclass(frozen=True, repr=False)
class Edit:
    """Images moved along directions in w. Notebooks show them.

    Attributes:
        opened: the model.
        images: floats (count, H, W, C) in [−1, 1].
        w: their latents, (count, w), or styles (count, 2L, w).
        moved: the latents after the moves.
        moves: the directions, and how far each moved w, in standard deviations of w.
        noise: the noise of style networks.
        names: names for files of the edited images, without ending: see `image_files.name_by_source`.
    """

    opened: OpenedModel
    images: np.ndarray
    w: np.ndarray
    moved: np.ndarray
    moves: Sequence[tuple[Direction, float]]
    noise: Noise
    names: Sequence[str]

    @cached_property
    def edited(self) -> np.ndarray:
        """The edited images, floats (count, H, W, C)."""
        return self.opened.model.generate(self.moved, noise=self.noise)

    def __repr__(self) -> str:
        names = ", ".join(f"{direction.name} {amount:+g}" for direction, amount in self.moves)
        return f"<{len(self.images)} images, edited: {names}>"

    def draw(self) -> Image.Image:
        """Draw a row for each image: the image, its reconstruction, and the edited one."""
        names = ", ".join(f"{direction.name} {amount:+g}" for direction, amount in self.moves)
        rows = list(zip(self.images, self.opened.model.generate(self.w, noise=self.noise), self.edited, strict=True))
        return compose_grid([(f"image, reconstruction, edited: {names}", rows)], self.opened.make_caption())

    def _repr_png_(self) -> bytes:
        return encode_figure(self.draw(), ".png")


def edit(
    model: Model = None,
    source: Images = None,
    direction: Mapping[str, float] | Sequence[tuple[str | Direction, float]] = (),
    *,
    count: int = 8,
    noise: Noise = "fixed",
) -> Edit:
    """Move images along directions in w.

    Args:
        model: see `load`.
        source: see `OpenedModel.load_images`; by default the run's held-out images. Latents in a file are moved
            themselves.
        direction: names of directions of the run, or .npy files, and how far to move along each, in standard deviations
            of w, such as `{"smile": 2.5}`. Several add up.
        count: maximum number of images.
        noise: see `Alae.generate`.

    Raises:
        ArgumentError: no direction is given, or one has another size than w.
        AlaeError: the run lacks a direction, or G and E take labels.
        DataError: the images cannot be found or do not fit the model.
    """
    opened = load(model)
    moves = _resolve_moves(opened, direction)
    images = take_first(opened.load_images(source), count)
    w = make_latents(opened.model, [images])
    x, _ = opened.read_images(images)
    return Edit(opened, x, w, _move(w, moves), moves, noise, name_by_source(get_names(images), len(images)))


def edit_in_batches(
    opened: OpenedModel, images: Source, direction: Sequence[tuple[str | Direction, float]], *, noise: Noise = "fixed"
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the moved latents of `images`, and the edited images, a batch at a time: few are in memory; see `edit`."""
    moves = _resolve_moves(opened, direction)
    for part in opened.model.chunks(len(images), opened.view):
        moved = _move(make_latents(opened.model, [Subset(images, part)]), moves)
        yield moved, opened.model.generate(moved, noise=noise)


def _resolve_moves(
    opened: OpenedModel, direction: Mapping[str, float] | Sequence[tuple[str | Direction, float]]
) -> list[tuple[Direction, float]]:
    moves = list(direction.items() if isinstance(direction, Mapping) else direction)
    if not moves:
        advice = f"give one and how far to move, such as NAME=2.5; {list_names(opened.run)}"
        raise ArgumentError("direction", f"is missing: {advice}")
    width = opened.model.config.networks.w
    return [
        (name if isinstance(name, Direction) else load_direction(name, width, opened.run), amount)
        for name, amount in moves
    ]


def _move(w: np.ndarray, moves: Sequence[tuple[Direction, float]]) -> np.ndarray:
    for direction, amount in moves:
        w = direction.move(w, amount)
    return w
