"""Grids of images."""

import numpy as np

from alae_workbench.figures.grid import compose_grid
from tests.helpers.pictures import read_cells


def test_a_long_caption_widens_the_picture(tmp_path):
    compose_grid([("a title", [np.zeros((1, 16, 16, 3))])], "a caption of ψ and × " * 20).save(tmp_path / "x.png")
    read_cells(tmp_path / "x.png", [(1, 1)])
