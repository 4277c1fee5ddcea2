"""Tables and pictures for notebooks."""

from alae_core._support.html import make_picture, make_table


def test_text_is_escaped():
    table = make_table([{"<name>": "a<b>&c"}], "runs/<i>x")
    assert "<name>" not in table
    assert "<b>" not in table
    assert "<i>" not in table
    assert "a&lt;b&gt;&amp;c" in table


def test_numbers_are_aligned_to_the_right_and_missing_values_are_empty():
    table = make_table([{"name": "a", "value": 0.123456}, {"name": "b", "count": 12345}])
    cells = table.replace(' style="text-align:right"', "|").replace(' style="text-align:left"', "")
    assert "<th>name</th><th|>value</th><th|>count</th>" in cells
    assert "<td>a</td><td|>0.1235</td><td></td>" in cells
    assert "<td>b</td><td></td><td|>12,345</td>" in cells


def test_a_picture_is_inline():
    assert 'src="data:image/png;base64,AQID"' in make_picture(b"\1\2\3")
