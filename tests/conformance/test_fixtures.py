"""The fixtures differ in every number of a configuration, so that none can be a constant of a backend."""

from collections import defaultdict

import pytest

from alae_conformance.fixture import config_of, fixtures

#: numbers that have one value in all fixtures
ONE = {"growth.from_level"}


def numbers_in(data, prefix=""):
    """Yield the dotted key and the value of every number, or tuple of numbers, in plain data."""
    for key, value in data.items():
        if isinstance(value, dict):
            yield from numbers_in(value, f"{prefix}{key}.")
        elif isinstance(value, tuple | list) and value and isinstance(value[0], dict):
            for each in value:
                yield from numbers_in(each, f"{prefix}{key}.")
        elif isinstance(value, int | float | tuple | list) and not isinstance(value, bool):
            yield f"{prefix}{key}", str(value)


def shared_numbers(chosen):
    """Return the keys of numbers that are the same in all of some fixtures, or 0, which often means none."""
    found = defaultdict(set)
    for fixture in chosen:
        for key, value in numbers_in(config_of(fixture, "float32").model_dump()):
            found[key].add(value)
    return {key for key, values in found.items() if len(values - {"0", "0.0"}) == 1}


def test_every_number_has_two_values():
    assert shared_numbers(fixtures().values()) == ONE


@pytest.mark.parametrize(
    ("left_out", "key"),
    [("unusual", "networks.E.lrmul"), ("scheduled", "networks.w_mean_beta"), ("uncommon", "networks.widths")],
)
def test_a_number_that_all_share_is_noticed(left_out, key):
    assert key in shared_numbers(fixture for fixture in fixtures().values() if fixture.id != left_out)
