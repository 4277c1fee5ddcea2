"""A TOML file with a backend's known failures and with the levels that must hold.

[require]
mine = "float32:L3,float64:L2"

[[xfail]]
backend = "mine"
case = "L3-official-run"
lane = "float32"
reason = "the shared Adam is not written yet"
link = "https://example.org/mine/issues/7"
expires = 2027-01-31
"""

import tomllib
from collections.abc import Collection
from datetime import date
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from alae_conformance.case import cases
from alae_conformance.claims import Claim, ClaimError, read_claim
from alae_conformance.tolerances import Lane
from alae_core._support.files import read_regular
from alae_core.errors import AlaeError

_MOST_BYTES = 2**20


class XfailError(AlaeError):
    """An xfail file that is invalid or out of date."""


class Xfail(BaseModel):
    """One known failure. Cases are deterministic, so a listed failure must occur in every run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    backend: str
    case: str
    lane: Lane
    reason: str = Field(min_length=10)
    link: str = Field(pattern="^https?://")
    expires: date


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    require: dict[str, str] = {}
    xfail: list[Xfail] = []


def read_xfails(path: Path, backends: Collection[str], today: date | None = None) -> dict[tuple[str, str, str], Xfail]:
    """Read the known failures by (backend, case, lane).

    Raises XfailError if the file is invalid, or if an entry has expired, is listed twice, or names a backend, case or
    lane that this run does not have.
    """
    known: dict[tuple[str, str, str], Xfail] = {}
    for entry in _read(path).xfail:
        what = f"{path}: the xfail of {entry.case} in {entry.lane} for {entry.backend}"
        if entry.backend not in backends:
            raise XfailError(f"{what} names a backend that is not judged; {', '.join(backends)} are")
        if entry.case not in cases() or entry.lane not in cases()[entry.case].lanes:
            raise XfailError(
                f"{what} names a case or lane that does not exist; `alae conform --list --profile full` lists them"
            )
        if entry.expires < (today or date.today()):
            raise XfailError(f"{what} expired on {entry.expires}: fix the backend, or set a later date")
        if (entry.backend, entry.case, entry.lane) in known:
            raise XfailError(f"{what} is listed twice")
        known[entry.backend, entry.case, entry.lane] = entry
    return known


def read_claims(path: Path, backends: Collection[str]) -> dict[str, Claim]:
    """Read the levels that must hold, by backend. Raises XfailError if the file or a claim is invalid."""
    claims = {}
    for backend, claim in _read(path).require.items():
        if backend not in backends:
            raise XfailError(f"{path}: require.{backend} names a backend that is not judged; {', '.join(backends)} are")
        try:
            claims[backend] = read_claim(claim)
        except ClaimError as error:
            raise XfailError(f"{path}: require.{backend}: {error}") from error
    return claims


def _read(path: Path) -> _File:
    try:
        content = tomllib.loads(read_regular(path, _MOST_BYTES).decode())
    except OSError as error:
        raise XfailError(f"cannot read {path}: {error.strerror}") from error
    except RecursionError as error:
        raise XfailError(f"{path} is nested too deeply") from error
    except ValueError as error:  # invalid TOML, invalid UTF-8, and numbers of thousands of digits
        raise XfailError(f"{path} is not TOML: {error}") from error
    try:
        found = _File.model_validate(content)
    except ValidationError as error:
        problem = error.errors()[0]
        raise XfailError(f"{path}: {'.'.join(map(str, problem['loc']))}: {problem['msg']}") from error
    if not found.xfail and not found.require:
        raise XfailError(f"{path} contains neither [[xfail]] nor [require]")
    return found
