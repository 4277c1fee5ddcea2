"""The suite as pytest tests, a test for each case: `pytest --pyargs alae_conformance --alae-backend NAME`."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from alae_conformance.numbers import Frozen
from alae_conformance.report.words import complaints
from alae_conformance.suite import Judge, leave_reference_checkpoints, select
from alae_conformance.tolerances import Lane
from alae_conformance.vectors import Case
from alae_conformance.xfail import read_xfails
from alae_core.errors import AlaeError


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test for each (backend, case, lane); peers last, since they read what the others have written."""
    backends, tasks = _backends(metafunc.config), select(metafunc.config.getoption("--alae-profile"))
    metafunc.parametrize(
        ("backend", "case", "lane"),
        [
            pytest.param(backend, case, lane, id=f"{backend}-{lane}-{case.id}")
            for peers in (False, True)
            for backend in backends
            for case, lane in tasks
            if (case.experiment == "peers") is peers
        ],
    )


@pytest.fixture(scope="session")
def judges(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Judge]]:
    """A judge for each backend, with its processes."""
    numbers, checkpoints = Frozen(), tmp_path_factory.mktemp("checkpoints")
    leave_reference_checkpoints(select(request.config.getoption("--alae-profile")), numbers, checkpoints)
    file, backends = request.config.getoption("--alae-xfail"), _backends(request.config)
    xfails = read_xfails(Path(file), backends) if file else {}
    found = {backend: Judge(backend, numbers, checkpoints, xfails) for backend in backends}
    yield found
    for judge in found.values():
        judge.close()


def test_case(judges: dict[str, Judge], backend: str, case: Case, lane: Lane) -> None:
    """One requirement of the specification."""
    record = judges[backend].run_case(case, lane, list(judges))
    if record.status == "unsupported":
        pytest.skip(record.message)
    if record.status == "expected":
        pytest.xfail(record.message)
    if record.status != "passed":
        said = [case.requirement, record.message, *complaints(record), record.details]
        pytest.fail("\n".join(filter(None, said)), pytrace=False)


def _backends(config: pytest.Config) -> list[str]:
    try:
        names: list[str] = config.getoption("--alae-backend")
    except ValueError as error:
        raise AlaeError("the options are missing: is alae installed, so that pytest finds its plug-in?") from error
    if not names:
        raise pytest.UsageError("say which backend to judge: pytest --pyargs alae_conformance --alae-backend NAME")
    return names
