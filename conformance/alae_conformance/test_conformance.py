"""The suite as pytest tests, one for each case: `pytest --pyargs alae_conformance --alae-backend NAME`."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from alae_conformance.case import Case
from alae_conformance.claims import Claim, read_claim
from alae_conformance.judge import Judge
from alae_conformance.numbers import Frozen
from alae_conformance.report.words import describe_failures
from alae_conformance.selection import Selection, Task, requirements, select, split_into_waves
from alae_conformance.suite import prepare_reference_checkpoints
from alae_conformance.tolerances import Lane
from alae_conformance.xfail import read_claims, read_xfails
from alae_core.errors import AlaeError


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test for each (backend, case, lane); cases that read the checkpoints of other backends come last."""
    backends, tasks = _backends(metafunc.config), _tasks(metafunc.config)
    metafunc.parametrize(
        ("backend", "case", "lane"),
        [
            pytest.param(backend, case, lane, id=f"{backend}-{lane}-{case.id}")
            for wave in split_into_waves(tasks)
            for backend in backends
            for case, lane in wave
        ],
    )


@pytest.fixture(scope="session")
def judges(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Judge]]:
    """A judge for each backend."""
    numbers, checkpoints = Frozen(), tmp_path_factory.mktemp("checkpoints")
    prepare_reference_checkpoints(_tasks(request.config), numbers, checkpoints)
    file, backends = request.config.getoption("--alae-xfail"), _backends(request.config)
    xfails = read_xfails(Path(file), backends) if file else {}
    device = request.config.getoption("--alae-device")
    quick = request.config.getoption("--alae-profile") != "full"
    by_backend = {
        backend: Judge(backend, numbers, checkpoints, xfails, device=device, quick=quick) for backend in backends
    }
    yield by_backend
    for judge in by_backend.values():
        judge.close()


@pytest.fixture(scope="session")
def claims(request: pytest.FixtureRequest) -> dict[str, Claim]:
    """The levels that each backend must hold."""
    config = request.config
    text, file, backends = config.getoption("--alae-require"), config.getoption("--alae-xfail"), _backends(config)
    required, shipped = read_claim(text) if text else {}, read_claims(Path(file), backends) if file else {}
    return {
        name: requirements(_tasks(config), _selection(config), required, shipped.get(name, {})) for name in backends
    }


def test_case(judges: dict[str, Judge], claims: dict[str, Claim], backend: str, case: Case, lane: Lane) -> None:
    """One requirement of the specification."""
    record = judges[backend].run_case(case, lane, list(judges))
    required = case.level <= claims[backend].get(lane, -1)
    if record.status == "unsupported" and not required:
        pytest.skip(record.message)
    if record.status == "expected" and not required:
        pytest.xfail(record.message)
    if record.status != "passed":
        lines = [case.requirement, record.message, *describe_failures(record), record.details]
        pytest.fail("\n".join(filter(None, lines)), pytrace=False)


def _tasks(config: pytest.Config) -> list[Task]:
    try:
        return select(config.getoption("--alae-profile"), _selection(config))
    except AlaeError as error:
        raise pytest.UsageError(str(error)) from error


def _selection(config: pytest.Config) -> Selection:
    return Selection(*(config.getoption(f"--alae-{kind}") for kind in ("case", "level", "lane")))


def _backends(config: pytest.Config) -> list[str]:
    try:
        names: list[str] = config.getoption("--alae-backend")
    except ValueError as error:
        raise AlaeError("the options are missing: is alae installed, so that pytest finds its plug-in?") from error
    if not names:
        raise pytest.UsageError("no backend was given: pytest --pyargs alae_conformance --alae-backend NAME")
    return names
