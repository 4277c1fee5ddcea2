"""The line that shows the progress of a run: at most 80 columns, and of the same width from the first to the last."""

from collections.abc import Mapping

from alae_workbench.runs.pace import format_duration

_MOST_COLUMNS = 80
# A bar in the columns that are left has at least so many.
_LEAST_BAR = 6
# Parts omitted from a narrow line, first to last.
_OMISSIONS = ("measures", "speed", "level", "losses", "left")


class ProgressLine:
    """Formats the line.

    Args:
        columns: of the terminal.
        steps: steps in all.
        finest: the name of the finest level; None for networks that do not grow.
        bar: whether to fill the line with a bar instead of spaces.
    """

    def __init__(self, columns: int, steps: int, finest: str | None, bar: bool = True) -> None:
        self._columns, self._steps, self._finest, self._bar = min(columns, _MOST_COLUMNS), steps, finest, bar

    def format(
        self,
        step: int,
        level: str,
        images_per_second: float,
        seconds_left: float | None,
        losses: Mapping[str, float],
        measures: Mapping[str, float],
    ) -> str:
        """Return the line. Narrow lines lack measures, then the speed, the level, losses and the time left."""
        left = "" if seconds_left is None else f"{format_duration(seconds_left):>8} left"
        parts = {
            "step": self._format_step(step),
            "level": f"{level:<{len(self._finest) + 4}}" if self._finest else "",
            "speed": f"{_format_count(images_per_second)} images/s",
            "left": f"{left:13}",
            "losses": _format_numbers(losses),
            "measures": _format_numbers(measures),
        }
        for omitted in _OMISSIONS:
            if len(_join(parts)) > self._columns:
                parts[omitted] = ""
        return self._fill(_join(parts), step)

    def format_compiling(self, step: int, level: str) -> str:
        """Return the line while the step after `step` steps compiles; `level` names its level."""
        return self._fill(f"{self._format_step(step)}  compiling {level}", step)

    def _format_step(self, step: int) -> str:
        return f"{step:>{len(str(self._steps))}}/{self._steps}"

    def _fill(self, text: str, step: int) -> str:
        """Cut `text` to the columns of the line, or fill them with a bar, if there is room for one, or spaces."""
        room = self._columns - len(text) - 2
        if room < _LEAST_BAR or not self._bar:
            return f"{text[: self._columns]:{self._columns}}"
        done = round(room * step / self._steps)
        return f"{text}  {'━' * done}{'╌' * (room - done)}"


def _join(parts: Mapping[str, str]) -> str:
    return "  ".join(part for part in parts.values() if part)


def _format_numbers(numbers: Mapping[str, float]) -> str:
    return " ".join(f"{name} {_format_number(value)}" for name, value in numbers.items())


def _format_number(value: float) -> str:
    """Format a number in five columns: "0.693", "-12.3", "12346", "  1e7"."""
    if -9999.5 < value < 99_999.5:
        return f"{value:.3f}"[:5].rstrip(".").rjust(5)
    return f"{value:.0e}".replace("e+", "e").replace("e0", "e").rjust(5)


def _format_count(value: float) -> str:
    """Format a positive number in five columns: " 1234", "  12k"."""
    return f"{value:5.0f}" if value < 99_999.5 else f"{value / 1000:4.0f}k"
