"""The width of the line that shows the progress of a run."""

from hypothesis import given
from hypothesis import strategies as st

from alae_workbench.runs.progress_line import ProgressLine

SECONDS = st.none() | st.floats(0, 1e7)
LOSSES = st.fixed_dictionaries({name: st.floats(-1e12, 1e12) for name in "DGR"})
FINEST = st.sampled_from([None, "8×8", "1024×1024"])


@given(st.integers(1, 200), st.integers(1, 10**7), FINEST, st.floats(0, 1), st.floats(0, 1e7), SECONDS, LOSSES)
def test_the_line_always_has_the_same_width(columns, steps, finest, done, speed, left, losses):
    line = ProgressLine(columns, steps, finest)
    width = min(columns, 80)
    assert len(line.format_compiling(0, "8×8 (2 of 9) …")) == width
    level = f"{finest} 50%" if finest else ""
    assert len(line.format(round(done * steps), level, speed, left, losses, {"psnr": 0.5})) == width


def test_the_line_of_a_style_run():
    line = ProgressLine(120, 20_000, "64×64")
    losses = {"D": 0.6931, "G": 12.3456, "R": 0.1}
    assert line.format(150, "8×8 50%", 1234.5, 750.0, losses, {"error": 0.25}).rstrip() == (
        "  150/20000  8×8 50%     1234 images/s    12 min left  D 0.693 G 12.34 R 0.100"
    )


def test_narrow_terminals_show_the_steps_and_what_else_fits():
    losses = {"D": 0.6931}
    lines = [ProgressLine(width, 100, None).format(50, "", 99.0, 60.0, losses, {"psnr": 0.5}) for width in (61, 38, 26)]
    assert lines == [
        " 50/100     99 images/s      60 s left  D 0.693  psnr 0.500  ",
        " 50/100      60 s left  D 0.693       ",
        " 50/100      60 s left    ",
    ]


def test_a_bar_fills_the_line():
    assert ProgressLine(30, 100, None).format_compiling(50, "…") == " 50/100  compiling …  ━━━━╌╌╌╌"
    assert ProgressLine(30, 100, None, bar=False).format_compiling(50, "…") == f"{' 50/100  compiling …':30}"
