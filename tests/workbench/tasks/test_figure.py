"""Figures from Python."""

import numpy as np
import pytest

import alae_workbench as bench
from alae_core import AlaeError, ArgumentError

FIGURES = {
    "samples": lambda opened, digits: bench.figure.samples(opened, 4, seed=1),
    "reconstructions": lambda opened, digits: bench.figure.reconstructions(opened, digits),
    "neighbours": lambda opened, digits: bench.figure.neighbours(opened, 2, 3),
    "interpolation": lambda opened, digits: bench.figure.interpolation(opened, [1, digits[:1]], 3),
    "traversal": lambda opened, digits: bench.figure.traversal(opened, [1, digits], count=3),
    "losses": lambda opened, digits: bench.figure.losses(opened.run.path),
}


@pytest.mark.parametrize("kind", FIGURES)
def test_a_notebook_shows_the_figure(opened, digits, kind):
    assert FIGURES[kind](opened, digits)._repr_png_().startswith(b"\x89PNG")


def test_descriptions_count_images(opened, digits):
    assert bench.figure.samples(opened, 4).info["description"] == "4 × 8×8×1"
    two = bench.figure.interpolation(opened, [1, digits[:1]], 3)
    assert two.info["description"] == "2 corners, 3 images from corner to corner"


@pytest.mark.parametrize("kind", ["levels", "lods", "mix"])
def test_figures_of_style_models_need_one(opened, kind):
    with pytest.raises((AlaeError, ArgumentError), match=r"style model|levels of detail"):
        getattr(bench.figure, kind)(opened)


def test_images_of_another_size_are_refused(opened):
    with pytest.raises(AlaeError, match="the images of source are 9×9×1, but the configuration says 8×8×1"):
        bench.figure.reconstructions(opened, np.zeros((2, 9, 9), np.uint8))
