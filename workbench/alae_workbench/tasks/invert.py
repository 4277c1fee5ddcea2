"""`alae invert`: find the w of images by gradient steps."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from alae_core._support.html import make_picture, make_table
from alae_workbench.data.source import Source
from alae_workbench.figures.grid import compose_grid
from alae_workbench.figures.save import encode_figure
from alae_workbench.models.inversion import Inversion
from alae_workbench.models.inversion import invert as search
from alae_workbench.models.inversion import invert_in_batches as search_in_batches
from alae_workbench.models.opening import Images, OpenedModel
from alae_workbench.tasks.load import Model, load


@dataclass(frozen=True, repr=False)
class Inverted:
    """The w of images, found by a search from E(x), and for comparison by one from the mean of w. Notebooks show them.

    Attributes:
        opened: the model.
        images: the images, floats (count, H, W, C) in [−1, 1].
        steps: the number of gradient steps.
        searches: the results by start, "E(x)" and "mean of w".
    """

    opened: OpenedModel
    images: np.ndarray
    steps: int
    searches: dict[str, Inversion]

    @property
    def w(self) -> np.ndarray:
        """The latents found from E(x): (count, w), or styles (count, 2L, w)."""
        return self.searches["E(x)"].w

    def __repr__(self) -> str:
        return f"<w of {len(self.images)} images after {self.steps} steps>"

    def rows(self, count: int | None = None) -> list[dict[str, Any]]:
        """Return the errors over time as flat dictionaries, such as for `pandas.DataFrame`.

        Args:
            count: the number of errors for each start, at even intervals; by default all.
        """
        return [
            {"start": start, "step": step, "seconds": seconds, "mean (x − G(w))²": error}
            for start, found in self.searches.items()
            for step, seconds, error in _select_evenly(found.errors, count or len(found.errors))
        ]

    def draw(self) -> Image.Image:
        """Draw the images, their reconstructions G(E(x)), and the images of the w that each search found."""
        found = [f"after {self.steps} steps from {start.replace('mean', 'the mean')}" for start in self.searches]
        rows = [self.images, self.opened.model.reconstruct(self.images)]
        rows += [inversion.images for inversion in self.searches.values()]
        return compose_grid([("; ".join(["images", "G(E(x))", *found]), rows)], self.opened.make_caption())

    def _repr_html_(self) -> str:
        return make_table(self.rows(5)) + make_picture(encode_figure(self.draw(), ".png"))


def invert(
    model: Model = None,
    source: Images = None,
    *,
    count: int = 8,
    steps: int = 200,
    layers: bool = False,
    compare: bool = True,
    tell: Callable[[int], None] = lambda more: None,
) -> Inverted:
    """Find the w of images by gradient steps on pixels and features of E, starting from E(x).

    Args:
        model: see `load`.
        source: see `OpenedModel.load_images`; by default the run's held-out images.
        count: maximum number of images.
        steps: the number of gradient steps.
        layers: find a style for each layer, not one w for all (style models).
        compare: also search from the mean of w.
        tell: called after each step with the number of new steps.

    Raises:
        AlaeError: G and E take labels, or the model lacks one of them.
        DataError: the images cannot be found or do not fit the model.
    """
    opened = load(model)
    x, _ = opened.read_images(source, count)
    searches = {"E(x)": search(opened.model, x, steps=steps, layers=layers, tell=tell)}
    if compare:
        searches["mean of w"] = search(opened.model, x, start="mean", steps=steps, layers=layers, tell=tell)
    return Inverted(opened, x, steps, searches)


def invert_in_batches(
    opened: OpenedModel, images: Source, *, steps: int = 200, layers: bool = False, tell: Callable[[int], None]
) -> Iterator[Inversion]:
    """Yield the results of searches from E(x), a batch of `images` at a time: few are in memory; see `invert`."""
    batches = (x for x, _ in opened.read_in_batches(images))
    return search_in_batches(opened.model, batches, steps=steps, layers=layers, tell=tell)


def _select_evenly(errors: list[tuple[int, float, float]], count: int) -> list[tuple[int, float, float]]:
    """Return up to `count` of the errors at even intervals, including the first and the last."""
    places = {round(i * (len(errors) - 1) / max(1, count - 1)) for i in range(count)}
    return [errors[place] for place in sorted(places)]
