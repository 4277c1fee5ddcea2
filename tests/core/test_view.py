"""Views: level, blend, image size and text."""

import dataclasses

import pytest

from alae_core import ArgumentError, View


@pytest.mark.parametrize(("lod", "size"), [(0, 4), (1, 8), (3, 32), (8, 1024)])
def test_the_level_decides_the_size(lod, size):
    assert View(lod).size == size
    assert str(View(lod)) == f"{size}×{size}"
    assert View(lod) == View(lod, 1.0)


def test_the_text_of_a_fading_view_shows_a_percentage():
    assert str(View(1, 0.4)) == "8×8 fading in, 40%"
    assert str(View(1, 0.0)) == "8×8 fading in, 0%"


@pytest.mark.parametrize("blend", [-0.1, 1.5, float("nan"), float("inf")])
def test_blends_must_be_between_0_and_1(blend):
    with pytest.raises(ArgumentError, match=f"blend is {blend}: it must lie in 0 … 1") as caught:
        View(1, blend)
    assert (caught.value.argument, caught.value.problem) == ("blend", f"is {blend}: it must lie in 0 … 1")


def test_levels_start_at_0():
    with pytest.raises(ArgumentError, match="lod is -1: levels of detail start at 0") as caught:
        View(-1)
    assert caught.value.argument == "lod"


def test_views_are_frozen_and_hashable():
    with pytest.raises(dataclasses.FrozenInstanceError):
        View(1).lod = 2
    assert {View(1, 0.5): 3}[View(1, 0.5)] == 3
