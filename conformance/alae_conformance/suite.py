"""The suite: every case on every backend, and the record of the run."""

import platform
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from os import cpu_count
from pathlib import Path

from alae_conformance import case_files
from alae_conformance.answers import write_reference_checkpoints
from alae_conformance.case import Profile
from alae_conformance.claims import Claim
from alae_conformance.experiments.setting import Setting
from alae_conformance.fixture import fixtures
from alae_conformance.judge import PATIENCE, Judge, Listener, curves_of
from alae_conformance.numbers import Fresh, Frozen, Numbers
from alae_conformance.record import Report
from alae_conformance.selection import Selection, Task, requirements, select, split_into_waves
from alae_conformance.xfail import Xfail
from alae_core import __version__
from alae_core.config_data import SPECIFICATION


def conform(
    backends: Sequence[str],
    profile: Profile = "standard",
    *,
    selection: Selection | None = None,
    device: str | None = None,
    fresh: int | None = None,
    xfails: Mapping[tuple[str, str, str], Xfail] | None = None,
    require: Claim | None = None,
    claims: Mapping[str, Claim] | None = None,
    on_case: Listener = lambda backend, record: None,
    patience: float = PATIENCE,
) -> Report:
    """Judge backends by the cases of a profile.

    Args:
        backends: names of installed backends.
        profile: "smoke" is L0 and half of L1 in float32, "standard" L0 to L3, "full" everything.
        selection: selects some of the profile's cases.
        device: the device of the backends, as they spell it.
        fresh: the seed of new numbers, or None for the frozen ones.
        xfails: from `read_xfails`.
        require: the levels that every backend must hold.
        claims: the levels that each must also hold, as far as these cases can show them; from `read_claims`.
        on_case: called with a backend's name and each of its cases as it ends, from any thread.
        patience: seconds to wait for one answer.

    Raises:
        SelectionError: a case or lane does not exist.
        ClaimError: these cases cannot show a required level.
        SuiteError: the suite's own files are damaged.
    """
    started, clock = datetime.now(UTC), time.monotonic()
    numbers: Numbers = Frozen() if fresh is None else Fresh(fresh)
    selection = selection or Selection()
    tasks = select(profile, selection)
    required = {name: requirements(tasks, selection, require or {}, (claims or {}).get(name, {})) for name in backends}
    with tempfile.TemporaryDirectory(prefix="alae-conformance-") as checkpoints:
        home = Path(checkpoints)
        prepare_reference_checkpoints(tasks, numbers, home)
        quick = profile != "full"
        judges = [Judge(name, numbers, home, xfails or {}, on_case, patience, device, quick) for name in backends]
        with ThreadPoolExecutor(cpu_count() or 1) as pool:
            try:
                for wave in split_into_waves(tasks):
                    # Cases that share no process need not wait for each other.
                    jobs = [(judge, group) for group in judges[0].split(wave) for judge in judges]
                    list(pool.map(lambda job: job[0].run(job[1], backends), jobs))
            finally:
                for judge in judges:
                    judge.close()
    order = [(case.id, lane) for case, lane in tasks]
    for judge in judges:
        judge.cases.sort(key=lambda record: order.index((record.case, record.lane)))
    return Report(
        alae=__version__,
        specification=SPECIFICATION,
        manifest=case_files.manifest_hash(),
        profile=profile,
        fresh=fresh,
        started=started.isoformat(timespec="seconds"),
        seconds=round(time.monotonic() - clock, 1),
        platform=platform.platform(),
        python=sys.version.split()[0],
        backends=[judge.record(required[judge.name], partial=selection.partial) for judge in judges],
        reference={case.id: curves for case, _ in tasks if (curves := curves_of(numbers.expected(case.id)))},
    )


def prepare_reference_checkpoints(tasks: Sequence[Task], numbers: Numbers, checkpoints: Path) -> None:
    """Write the reference's checkpoints that backends resume from."""
    for case, lane in tasks:
        setting = Setting(fixtures()[case.fixture], lane, numbers.tape(case.fixture), checkpoints)
        write_reference_checkpoints(case, setting)
