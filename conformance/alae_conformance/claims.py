"""What a backend must hold, so that no lane or level vanishes unnoticed: `float32:L5,float64:L3`."""

import re
from collections.abc import Iterable

from alae_conformance.case import Case
from alae_conformance.tolerances import LANES, Lane
from alae_core.errors import AlaeError

#: by lane the level up to which all must hold
Claim = dict[Lane, int]


class ClaimError(AlaeError):
    """A claim that is none, or that a run does not judge."""


def read_claim(text: str) -> Claim:
    """A claim as it is written. Raises ClaimError for a text that is none."""
    claim: Claim = {}
    for part in text.split(","):
        found = re.fullmatch(r"\s*(\w+):L([0-5])\s*", part)
        lane = next((lane for lane in LANES if found and lane == found[1]), None)
        if not found or not lane or lane in claim:
            raise ClaimError(
                f"{text!r:.80} is no claim: write each lane ({', '.join(LANES)}) once, with the level up to which all "
                "hold, such as float32:L5,float64:L3"
            )
        claim[lane] = int(found[2])
    return claim


def judged(tasks: Iterable[tuple[Case, Lane]]) -> Claim:
    """The most that a run of these cases can show."""
    levels: dict[Lane, set[int]] = {}
    for case, lane in tasks:
        levels.setdefault(lane, set()).add(case.level)
    return {lane: unbroken(found) for lane, found in levels.items()}


def unbroken(levels: Iterable[int]) -> int:
    """The highest level that the lowest leads to: a level counts with all below it."""
    found = set(levels)
    reached = min(found)
    while reached + 1 in found:
        reached += 1
    return reached
