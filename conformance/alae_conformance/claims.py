"""Claims: the levels that a backend must hold by lane, such as `float32:L5,float64:L3`."""

import re
from collections.abc import Iterable

from alae_conformance.case import Case
from alae_conformance.tolerances import LANES, Lane
from alae_core.errors import AlaeError

#: for each lane, the level that must hold together with all below it
Claim = dict[Lane, int]


class ClaimError(AlaeError):
    """A claim that cannot be parsed, or that the selected cases cannot show."""


def read_claim(text: str) -> Claim:
    """Parse a claim. Raises ClaimError if it is malformed."""
    claim: Claim = {}
    for part in text.split(","):
        found = re.fullmatch(r"\s*(\w+):L([0-5])\s*", part)
        lane = next((lane for lane in LANES if found and lane == found[1]), None)
        if not found or not lane or lane in claim:
            raise ClaimError(
                f"{text!r:.80} is not a claim: give each lane ({', '.join(LANES)}) once, with the level up to which "
                "all must hold, such as float32:L5,float64:L3"
            )
        claim[lane] = int(found[2])
    return claim


def provable_levels(tasks: Iterable[tuple[Case, Lane]]) -> Claim:
    """Return the highest levels that a run of these cases can show."""
    levels: dict[Lane, set[int]] = {}
    for case, lane in tasks:
        levels.setdefault(lane, set()).add(case.level)
    return {lane: highest_without_gap(found) for lane, found in levels.items()}


def highest_without_gap(levels: Iterable[int]) -> int:
    """Return the highest level such that all levels from the lowest to it are present."""
    found = set(levels)
    reached = min(found)
    while reached + 1 in found:
        reached += 1
    return reached
