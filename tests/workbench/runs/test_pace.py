"""Estimates of the duration of a run, level by level."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alae_core.growth import position, stretches
from alae_workbench.runs.pace import Pace, PaceMeter, Stretch, format_duration
from tests.conftest import tiny_config, tiny_style_config

LEVELS = st.tuples(st.integers(1, 40), st.integers(1, 7))


@given(st.tuples(LEVELS, LEVELS), st.integers(0, 60), st.integers(0, 90))
def test_stretches_are_the_stages_of_a_schedule(levels, start, steps):
    grown = [{"images": images, "batch_size": batch} for images, batch in levels]
    config = tiny_style_config(**{"image": [8, 8, 3], "growth.levels": grown})
    found = [stage for stage, first, end in stretches(config, start, start + steps) for _ in range(first, end)]
    assert found == [position(config, step).stage for step in range(start, start + steps)]


def make_stretch(lod, first, end, seconds, compiling=0.0, reached=True):
    config = tiny_style_config(**{"image": [8, 8, 3], "growth.levels": [{"images": 9}, {"images": 9}]})
    return Stretch(position(config, 0).stage._replace(lod=lod), first, end, seconds, compiling, reached)


def test_levels_are_weighted_by_their_duration():
    pace = Pace([make_stretch(0, 0, 10, 1.0), make_stretch(1, 10, 20, 9.0)])
    assert (pace.seconds(0, 20), pace.seconds(5, 12), pace.seconds(20, 30)) == (100.0, 23.0, 0.0)
    assert str(pace) == "estimated training time: 2 min (4×4 10%, 8×8 90%)"
    assert str(Pace([make_stretch(None, 0, 10, 1.0)])) == "estimated training time: 10 s"


def test_compiling_counts_until_the_first_step_of_a_level():
    pace = Pace([make_stretch(0, 0, 10, 1.0, 5.0), make_stretch(1, 10, 20, 9.0, 20.0, reached=False)])
    assert [pace.seconds(first, 20) for first in (0, 1, 10, 11)] == [125.0, 119.0, 110.0, 81.0]
    assert str(pace) == "estimated training time: about 2 min (4×4 12%, 8×8 88%)"


def test_the_estimate_improves_with_each_level():
    """Steps of 1 s and 3 s, compiling in 10 s and 20 s; at the end, the estimate is what the steps took."""
    config = tiny_style_config(**{"growth.levels": [{"images": 60}, {"images": 60}], "batch_size": 6})
    meter = PaceMeter(config, 0, 20)
    assert meter.seconds_left(0) is None
    meter.add_compiling(0, 10.0)
    meter.add_steps(1, 4, 3.0)
    first, second = meter.estimate().stretches
    assert (first.seconds, first.compiling, first.reached) == (1.0, 10.0, True)
    # The second level also has convolutions at 8×8.
    assert second.seconds > 2 * first.seconds
    assert (second.compiling, second.reached) == (10.0, False)
    assert meter.seconds_left(4) == 6 * 1.0 + 10.0 + 10 * second.seconds
    meter.add_steps(4, 10, 12.0)
    assert meter.estimate().stretches[0].seconds == 15 / 9
    meter.add_compiling(10, 20.0)
    meter.add_steps(11, 14, 9.0)
    # Reports and grids take 2 s per step.
    meter.add_other(28.0)
    assert meter.seconds_left(14) == 6 * (3.0 + 2.0)
    assert all(stretch.reached for stretch in meter.estimate().stretches)


def test_measuring_again_stays_within_its_share():
    for seconds, allowed in [(37.9, False), (38.1, True)]:
        meter = PaceMeter(tiny_config(), 0, 200)
        meter.add_measuring(1.0)
        meter.add_steps(0, 100, seconds)
        assert meter.allows_measuring(1 / 20) is allowed


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (89, "89 s"), (100, "2 min"), (5400, "1.5 h"), (40_000, "11 h"), (180_000, "2.1 days")],
)
def test_durations_have_a_suitable_unit(seconds, text):
    assert format_duration(seconds) == text
