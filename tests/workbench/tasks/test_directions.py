"""Finding directions from Python."""

import pytest

import alae_workbench as bench
from alae_core import AlaeError, ArgumentError


def test_directions_are_found_saved_and_read(run, opened):
    with pytest.raises(AlaeError, match="has no directions yet: find some with `alae directions fit"):
        bench.directions.read(run)
    assert len(bench.directions.fit(opened, method="principal", save=False)) == 7
    found = bench.directions.fit(opened, method="shift")
    assert [row["direction"] for row in found.rows()] == [f"shift-class-{digit}" for digit in range(10)]
    assert all(0 <= row["angle"] <= 90 and row["nearest"] != row["direction"] for row in found.rows())
    assert [direction.name for direction in bench.directions.read(run)] == [direction.name for direction in found]
    assert "shift-class-3" in found._repr_html_()
    assert repr(found).startswith("<directions shift-class-0, shift-class-1")


def test_methods_without_labels_take_no_images(opened, digits):
    with pytest.raises(ArgumentError, match="only the methods svm and shift use labelled images"):
        bench.directions.fit(opened, digits, "principal")
