"""Options of `pytest --pyargs alae_conformance`."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options. pytest calls this wherever alae is installed, so it imports nothing."""
    group = parser.getgroup("alae", "conformance of ALAE backends")
    group.addoption(
        "--alae-backend",
        action="append",
        default=[],
        metavar="NAME",
        help="backend to judge, by its name in the entry point group alae.backends; repeatable",
    )
    group.addoption(
        "--alae-profile",
        default="standard",
        choices=("smoke", "standard", "full"),
        help="part of the suite to run (default: %(default)s)",
    )
    group.addoption("--alae-case", action="append", default=[], metavar="ID", help="id of a case to run; repeatable")
    group.addoption(
        "--alae-level", action="append", default=[], type=int, metavar="N", help="level to run, 0 to 5; repeatable"
    )
    group.addoption(
        "--alae-lane",
        action="append",
        default=[],
        choices=("float32", "float64", "bfloat16"),
        help="lane to run; repeatable",
    )
    group.addoption("--alae-device", metavar="NAME", help="device, such as cpu or gpu:1")
    group.addoption("--alae-require", metavar="CLAIM", help="levels that must hold, such as float32:L3,float64:L3")
    group.addoption(
        "--alae-xfail",
        metavar="FILE",
        help="TOML file of known failures and of levels that must hold",
    )
