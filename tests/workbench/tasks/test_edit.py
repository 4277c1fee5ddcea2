"""Editing images from Python."""

import numpy as np
import pytest

import alae_workbench as bench
from alae_core import ArgumentError
from alae_core.images import to_float


def test_images_in_memory_are_moved_along_directions(opened, digits, tmp_path):
    along = np.random.default_rng(1).normal(size=7).astype(np.float32)
    np.save(tmp_path / "along.npy", along)
    edit = bench.edit(opened, digits, {str(tmp_path / "along.npy"): 2.5}, count=3)
    model, x = opened.model, to_float(digits[:3, ..., None])
    np.testing.assert_array_equal(edit.images, x)
    expected = model.generate(model.encode(x) + np.float32(2.5) * along)
    np.testing.assert_allclose(edit.edited, expected, rtol=1e-4, atol=1e-5)
    assert repr(edit) == "<3 images, edited: along +2.5>"
    assert edit._repr_png_().startswith(b"\x89PNG")
    (direction, _), *_ = edit.moves
    same = bench.edit(opened, to_float(digits[..., None]), [(direction, 2.5)], count=3)
    np.testing.assert_allclose(same.edited, edit.edited, rtol=1e-4, atol=1e-5)


def test_a_direction_is_needed(opened, digits):
    with pytest.raises(ArgumentError, match="direction is missing"):
        bench.edit(opened, digits)
