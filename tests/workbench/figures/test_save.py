"""Saving figures: the same bytes each time, in all formats."""

import numpy as np
import pytest
from PIL import Image

from alae_core import ArgumentError
from alae_workbench.figures.grid import compose_grid
from alae_workbench.figures.plots import plot_bars
from alae_workbench.figures.save import ENDINGS, save_figure


def make_grid():
    return compose_grid([("a title", [np.zeros((2, 16, 16, 3))])], "a caption")


def make_plot():
    return plot_bars({"paper": {"psnr": [8.0, 9.0]}}, {"psnr": "psnr"}, "a caption")


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("make", [make_grid, make_plot])
def test_equal_figures_give_equal_bytes(tmp_path, make, ending):
    paths = [tmp_path / "new" / f"{name}{ending}" for name in ("a", "b")]
    for path in paths:
        save_figure(path, make())
    first, second = (path.read_bytes() for path in paths)
    assert first == second
    assert len(first) > 200


def test_png_keeps_the_pixels_of_a_grid(tmp_path):
    save_figure(tmp_path / "x.png", make_grid())
    with Image.open(tmp_path / "x.png") as image:
        np.testing.assert_array_equal(np.asarray(image), np.asarray(make_grid()))


def test_other_endings_are_refused(tmp_path):
    with pytest.raises(ArgumentError, match=r"x.gif; it must end in .png, .svg, .pdf"):
        save_figure(tmp_path / "x.gif", make_grid())
    assert not list(tmp_path.iterdir())
