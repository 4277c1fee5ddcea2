"""Options for `pytest --pyargs alae_conformance`: which backends to judge, and by how much of the suite."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options; pytest calls this wherever alae is installed, so nothing is imported here."""
    group = parser.getgroup("alae", "conformance of ALAE backends")
    group.addoption(
        "--alae-backend",
        action="append",
        default=[],
        metavar="NAME",
        help="a plug-in of the entry point group alae.backends to judge; may be given several times",
    )
    group.addoption(
        "--alae-profile",
        default="standard",
        choices=("smoke", "standard", "full"),
        help="how much of the suite (default: %(default)s)",
    )
    group.addoption("--alae-case", action="append", default=[], metavar="ID", help="a case to run, by its id")
    group.addoption("--alae-level", action="append", default=[], type=int, metavar="N", help="a level to run")
    group.addoption(
        "--alae-lane", action="append", default=[], choices=("float32", "float64", "bfloat16"), help="a lane to run"
    )
    group.addoption("--alae-device", metavar="NAME", help="where to compute")
    group.addoption("--alae-require", metavar="CLAIM", help="what must hold, such as float32:L3,float64:L3")
    group.addoption(
        "--alae-xfail", metavar="FILE", help="TOML of known failures and of what must hold, see alae_conformance.xfail"
    )
