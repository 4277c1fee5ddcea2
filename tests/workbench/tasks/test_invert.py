"""Inverting images from Python."""

import alae_workbench as bench


def test_searches_from_the_encoder_and_from_the_mean_are_rows_and_a_picture(opened, digits):
    inverted = bench.invert(opened, digits, count=2, steps=12)
    assert inverted.w.shape == (2, 7)
    assert {row["start"] for row in inverted.rows()} == {"E(x)", "mean of w"}
    assert [row["step"] for row in inverted.rows(2)] == [0, 12, 0, 12]
    assert [row["step"] for row in inverted.rows()] == [0, 10, 12, 0, 10, 12]
    html = inverted._repr_html_()
    assert "mean of w" in html
    assert "data:image/png" in html


def test_the_search_from_the_mean_is_left_out_on_request(opened, digits):
    assert list(bench.invert(opened, digits, count=1, steps=1, compare=False).searches) == ["E(x)"]
