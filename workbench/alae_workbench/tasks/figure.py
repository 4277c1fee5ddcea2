"""`alae figure`, `alae generate` and `alae reconstruct`: figures of models and runs. Equal seeds give equal figures.

Grids are images of Pillow, plots are figures of Matplotlib; notebooks show both. `figures.save.save_figure` saves them.
Arguments that all functions share:

model       see `load`
seed        the seed of every z
psi         truncation ψ of samples, from 0 to 1, for style models; by default the configuration's
noise       the noise of style networks: see `Alae.generate`
sources     seeds, each of one sample; or images or latents: see `OpenedModel.load_images`, of which the first few are
            used

They raise ArgumentError or AlaeError if an argument does not apply to the model, or if the grid would be too large.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from alae_core.streams import Noise
from alae_workbench.data.derived import take_first
from alae_workbench.data.source import format_shape
from alae_workbench.figures.grid import require_rows_size
from alae_workbench.figures.latent_grids import draw_interpolation, draw_mixing, draw_traversal
from alae_workbench.figures.plots import Plot, plot_curves
from alae_workbench.figures.reconstruction_grids import draw_levels, draw_reconstructions
from alae_workbench.figures.sample_grids import draw_growth, draw_neighbours, draw_samples, draw_truncations
from alae_workbench.models.directions import Direction, find_principal_directions, load_direction
from alae_workbench.models.mixing import interpolate_along, layer_ranges, make_latents
from alae_workbench.models.opening import Images, OpenedModel
from alae_workbench.models.option_checks import check_options
from alae_workbench.models.sampling import generate_in_batches, sample
from alae_workbench.storage.directory import Summary
from alae_workbench.tasks.load import Model, load

#: a seed of one sample, or images
Source = int | Images
#: frames of an animation from stop to stop: 2 seconds at 24 frames per second
FRAMES = 49


def samples(
    model: Model = None,
    count: int | None = None,
    *,
    seed: int = 0,
    label: int | None = None,
    psi: float | Sequence[float] | None = None,
    noise: Noise = "fixed",
) -> Image.Image:
    """Draw samples G(F(z)).

    Args:
        model, seed, noise: see above.
        count: the number of samples, for each ψ; by default 60, or 10 with several ψ.
        label: the class of all samples, for a model with labels; by default all classes in turn.
        psi: truncation; several values draw a row each.
    """
    opened = _open(model, psi=psi, label=label)
    caption = [f"seed {seed}"]
    if isinstance(psi, Sequence):
        count = count or 10
        picture = draw_truncations(opened.model, count, seed, psi, opened.make_caption(*caption), noise, label)
        return _describe(picture, f"{count} samples for each of {len(psi)} ψ")
    require_rows_size(count or 60, opened.model.image_shape())
    images = sample(opened.model, count or 60, seed=seed, label=label, psi=psi, noise=noise)
    if opened.view:
        caption.append(f"truncation ψ {opened.model.config.style.truncation_psi if psi is None else psi:g}")
    return _describe(draw_samples(images, opened.make_caption(*caption)), _count_images(images))


def latents(model: Model, w: np.ndarray, *, noise: Noise = "fixed") -> Image.Image:
    """Draw the images G(w) of latents (count, w), or styles (count, 2L, w)."""
    opened = load(model)
    require_rows_size(len(w), opened.model.image_shape())
    images = opened.model.generate(w, noise=noise)
    return _describe(draw_samples(images, opened.make_caption(), "images G(w)"), _count_images(images))


def reconstructions(
    model: Model = None, source: Images = None, count: int = 48, *, noise: Noise = "fixed"
) -> Image.Image:
    """Draw the first `count` images of a source, and below each its reconstruction G(E(x))."""
    opened = load(model)
    x, labels = opened.read_images(source, count)
    require_rows_size(len(x), x.shape[1:], lines=2)
    drawn = opened.model.reconstruct(x, noise=noise, labels=labels)
    return _describe(draw_reconstructions(x, drawn, opened.make_caption()), _count_images(drawn))


def levels(model: Model = None, source: Images = None, count: int = 12, *, noise: Noise = "fixed") -> Image.Image:
    """Draw images and their reconstructions at every level of detail (style models)."""
    opened = load(model)
    return draw_levels(opened.model, opened.load_images(source), count, opened.make_caption(), noise=noise)


def lods(
    model: Model, count: int = 4, *, seed: int = 0, psi: float | None = None, noise: Noise = "fixed"
) -> Image.Image:
    """Draw the same w at every level of detail, a row for each of `count` samples (style models)."""
    opened = _open(model, psi=psi)
    return draw_growth(opened.model, count, seed, opened.make_caption(f"seed {seed}"), psi=psi, noise=noise)


def neighbours(
    model: Model,
    count: int = 8,
    nearest: int = 6,
    *,
    seed: int = 0,
    psi: float | None = None,
    noise: Noise = "fixed",
    data: str | Path | None = None,
) -> Image.Image:
    """Draw `count` samples and the `nearest` training images to each, to see whether the model copies them.

    Samples are not truncated by default. `data` is the place of the training images, by default that in the run; other
    images are divided as `OpenedModel.load_data` says, and the figure says that they are not training images.
    """
    opened = _open(model, psi=psi)
    name = None if data is None else str(data)
    found = opened.load_data(name)
    own = opened.is_own(name, found)
    things = "training images" if own else f"images in {Path(name or '').name}, which it was not trained on"
    caption = opened.make_caption(f"seed {seed}")
    return draw_neighbours(
        opened.model, found.train, count, nearest, seed, caption, things=things, psi=psi, noise=noise
    )


def losses(runs: Summary | str | Path | Sequence[Summary | str | Path]) -> Plot:
    """Plot the losses and measures of runs over their training steps."""
    several = [runs] if isinstance(runs, Summary | str | Path) else runs
    return plot_curves([run.path if isinstance(run, Summary) else Path(run) for run in several])


def mix(
    model: Model,
    rows: Sequence[Source] = (0, 1, 2, 3),
    columns: Sequence[Source] = (4, 5, 6, 7, 8, 9),
    layers: str = "all",
    *,
    psi: float | None = None,
    noise: Noise = "fixed",
) -> Image.Image:
    """Draw style mixing: some layers take the style of the column, the others that of the row (style models).

    Args:
        model, psi, noise: see above.
        rows, columns: sources, of each up to 8 images.
        layers: the styles to take from the columns: "coarse", "middle" or "fine"; "all" draws a section for each.
    """
    opened = _open(model, psi=psi, layers=layers)
    ranges = layer_ranges(opened.view.lod + 1 if opened.view else 0)
    if layers != "all":
        ranges = {layers: ranges[layers]}
    left, above = (make_latents(opened.model, _load(sources, opened, 8), psi=psi) for sources in (rows, columns))
    picture = draw_mixing(opened.model, left, above, ranges, opened.make_caption(), noise=noise)
    return _describe(picture, f"{len(left)} rows × {len(above)} columns, {', '.join(ranges)} styles")


def interpolation(
    model: Model = None,
    corners: Sequence[Source] = (0, 1, 2, 3),
    count: int = 8,
    *,
    psi: float | None = None,
    noise: Noise = "fixed",
) -> Image.Image:
    """Draw images between images or samples, interpolated in w.

    Args:
        model, psi, noise: see above.
        corners: sources, of each up to 4 images: 2 corners make a row, 3 a triangle, 4 a square, and more a row from
            each to the next.
        count: the number of images from corner to corner.
    """
    opened = _open(model, psi=psi)
    w = make_latents(opened.model, _load(corners, opened, 4), psi=psi)
    picture = draw_interpolation(opened.model, w, count, opened.make_caption(), noise=noise)
    return _describe(picture, f"{len(w)} corners, {count} images from corner to corner")


def animate(
    model: Model = None,
    stops: Sequence[Source] = (0, 1, 2, 3),
    count: int = FRAMES,
    *,
    loop: bool = False,
    psi: float | None = None,
    noise: Noise = "fixed",
) -> Iterator[np.ndarray]:
    """Yield the frames of an animation from image or sample to the next, interpolated in w, for `save_animation`.

    Args:
        model, psi, noise: see above.
        stops: sources, of each up to 100 images.
        count: the number of frames from stop to stop, both included.
        loop: whether to return to the first stop.

    Returns:
        Batches of frames, floats (batch, H, W, C).
    """
    opened = _open(model, psi=psi)
    w = interpolate_along(make_latents(opened.model, _load(stops, opened, 100), psi=psi), count, loop)
    parts = ((part, w[part]) for part in opened.model.chunks(len(w)))
    return (images for _, images in generate_in_batches(opened.model, parts, len(w), noise=noise))


def traversal(
    model: Model = None,
    starts: Sequence[Source] = (0, 1, 2),
    direction: Sequence[str | Direction] = (),
    *,
    reach: float = 3.0,
    count: int = 7,
    psi: float | None = None,
    noise: Noise = "fixed",
) -> Image.Image:
    """Draw images moved along directions in w.

    Args:
        model, psi, noise: see above.
        starts: sources, of each up to 8 images: a row each.
        direction: names of directions of the run, or .npy files; by default 3 principal components of w.
        reach: the largest move either way, in standard deviations of w along the direction.
        count: the number of images in a row.
    """
    opened = _open(model, psi=psi)
    width, run = opened.model.config.networks.w, opened.run
    chosen = [each if isinstance(each, Direction) else load_direction(each, width, run) for each in direction]
    w = make_latents(opened.model, _load(starts, opened, 8), psi=psi)
    amounts = [float(amount) for amount in np.linspace(-reach, reach, count).round(6)]
    along = chosen or find_principal_directions(opened.model, 3)
    return draw_traversal(opened.model, w, along, amounts, opened.make_caption(), noise=noise)


def _open(model: Model, **options: Any) -> OpenedModel:
    """Open a model, and check options as `check_options`."""
    opened = load(model)
    check_options(opened.model.config, opened.view, **options)
    return opened


def _load(sources: Sequence[Source], opened: OpenedModel, limit: int) -> list[Any]:
    """Return seeds unchanged, and the first `limit` images or latents of each other source."""
    return [source if isinstance(source, int) else take_first(opened.load_images(source), limit) for source in sources]


def _describe(picture: Image.Image, text: str) -> Image.Image:
    """Attach a line for commands to print."""
    picture.info["description"] = text
    return picture


def _count_images(images: np.ndarray) -> str:
    return f"{len(images)} × {format_shape(images.shape[1:])}"
