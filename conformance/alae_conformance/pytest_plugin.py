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
    group.addoption("--alae-xfail", metavar="FILE", help="TOML of known failures, see alae_conformance.xfail")
