"""The decision how the pictures of a data set are read: the range of their values, the same for all of them."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from alae_core._support.text import count_things
from alae_workbench.data.options import SourceOptions
from alae_workbench.data.picture_file import Facts, Member, Reading, read_facts
from alae_workbench.data.ranges import (
    BYTES,
    PICTURE_FLOATS,
    PICTURE_INTEGERS,
    ValueRange,
    advise_range,
    describe_use,
    find_range,
)
from alae_workbench.data.source import DataError, Fit

# Number of files whose headers the threads read at once.
_TOGETHER = 64
_BLACK_AND_WHITE = ValueRange(0, 1)


def decide_reading(
    name: str, parts: Sequence[Sequence[Path | Member]], fit: Fit, options: SourceOptions
) -> tuple[Reading, str]:
    """Decide how the pictures of a data set are read.

    Pictures of more than 8 bits are read in the narrowest range that holds the values of all of them: integers from 0
    to the maximum of 8, 10, 12, 14 or 16 bits; floats in [0, 1], [−1, 1], 0 … 255 or 0 … 65535. If all pictures are
    integers 0 and 1, these are black and white. A range that the user states is for the pictures of more than 8 bits,
    or for all if there are none.

    Args:
        name: the data source, in messages.
        parts: the pictures of each split.
        fit: see `Reading`.
        options: the user's choices.

    Returns:
        The reading; and a description of ranges, also of bytes if the pictures use less than a sixteenth of them, and
        of profiles that cannot be used; "" if there are none.

    Raises:
        DataError: no known range holds the values.
    """
    if options.early:
        return Reading(fit, early=True), ""
    survey = _Survey()
    for files in parts:
        survey.look_at(files)
    narrow, wide, words = None, None, []
    if survey.wide:
        wide = options.range or survey.choose_wide_range(name, options.wide_range)
        some = survey.wide < survey.count
        which = f" in {survey.wide:,} of {survey.count:,} images, which have more than 8 bits" if some else ""
        use = "" if some else describe_use(survey.lowest, survey.highest, wide)
        words.append(", ".join(filter(None, (f"{_name_range(wide)}{which}", use))))
    elif survey.count:
        narrow = options.range or (_BLACK_AND_WHITE if survey.only_zeros_and_ones else None)
        use = describe_use(*survey.shades, narrow or BYTES)
        if narrow is not None or use:
            words.append(", ".join(filter(None, (_name_range(narrow or BYTES), use))))
    if survey.frames:
        words.append(f"the first of several pictures in {survey.frames:,} file{'s' if survey.frames > 1 else ''}")
    if survey.channels:
        words.append(f"the first channels of {count_things(survey.channels, 'file')} with more of them")
    if survey.not_srgb:
        words.append(f"{survey.not_srgb:,} with a colour profile that cannot be used, as if in sRGB")
    return Reading(fit, options.crop_box, narrow, wide), "; ".join(words)


def _name_range(values: ValueRange) -> str:
    return "black and white, 0 and 1" if values is _BLACK_AND_WHITE else f"numbers in {values.title}"


@dataclass
class _Survey:
    """The facts about pictures seen so far.

    Attributes:
        count, wide, not_srgb, frames, channels: numbers of readable files, of those with more than 8 bits, of those
            whose profile cannot be used, of those that hold several pictures, and of those with channels that are not
            read.
        lowest, highest: the extreme values of wide pictures.
        floats: whether any wide picture has floats.
        shades: the lowest and the highest value of pictures of 8 bits; they are exact while they use less than a
            sixteenth of the range.
        only_zeros_and_ones: whether this holds for all pictures, with some ones.
    """

    count: int = 0
    wide: int = 0
    not_srgb: int = 0
    frames: int = 0
    channels: int = 0
    lowest: float = field(default=float("inf"))
    highest: float = field(default=float("-inf"))
    floats: bool = False
    most: float = 0
    shades: tuple[float, float] = (255, 0)

    @property
    def only_zeros_and_ones(self) -> bool:
        return self.count > 0 and self.most == 1

    def look_at(self, files: Sequence[Path | Member]) -> None:
        # Values of 8 bits are needed until one is neither 0 nor 1, and they use more than a sixteenth of their range.
        def read(file: Path | Member) -> Facts | None:
            return read_facts(file, with_values=self._needs_values)

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for start in range(0, len(files), _TOGETHER):
                for facts in pool.map(read, files[start : start + _TOGETHER]):
                    if facts is None:
                        continue
                    self._add(facts)
                    # Members that are arrays have 8 bits and no profile.
                    if facts.is_array and not self._needs_values:
                        return

    @property
    def _needs_values(self) -> bool:
        return self.most <= 1 or bool(describe_use(*self.shades)) or self.shades[0] > self.shades[1]

    def _add(self, facts: Facts) -> None:
        self.count += 1
        self.not_srgb += not facts.is_srgb
        self.frames += facts.frames
        self.channels += facts.channels
        if facts.wide and facts.lowest <= facts.highest and abs(facts.lowest) + abs(facts.highest) < float("inf"):
            self.wide += 1
            self.lowest, self.highest = min(self.lowest, facts.lowest), max(self.highest, facts.highest)
            self.floats |= facts.floats
        if not facts.wide:
            self.shades = min(self.shades[0], facts.lowest), max(self.shades[1], facts.highest)
        self.most = max(self.most, 255 if facts.floats or facts.lowest < 0 else facts.highest)

    def choose_wide_range(self, name: str, hint: ValueRange | None) -> ValueRange:
        if self.only_zeros_and_ones:
            return _BLACK_AND_WHITE
        found = find_range(self.lowest, self.highest, PICTURE_FLOATS if self.floats else PICTURE_INTEGERS, hint)
        if found is None:
            raise DataError(
                f"the images of {name} have more than 8 bits, with values from {self.lowest:g} to {self.highest:g}, so "
                f"black and white cannot be determined: leave out images of another kind"
                f"{advise_range(self.lowest, self.highest)}"
            )
        return found
