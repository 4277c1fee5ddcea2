"""Every two choices of a configuration occur together in a row of the covering array."""

from types import NoneType, UnionType
from typing import Literal, Union, get_args, get_origin

import pytest
from pydantic import BaseModel

from alae_conformance.covering import FACTORS, all_pairs, has, pairs_of, rows
from alae_conformance.fixture import array_fixture, config_of
from alae_core.config import Config

#: discrete choices that are not crossed, and why
NOT_CROSSED = {
    "algorithm_settings": "of plug-ins, which the suite has no reference for",
    "objective_settings": "of plug-ins, which the suite has no reference for",
    "growth": "follows from the family",
    "growth.restart_adam": "of steps, not of losses: the fixture grown",
    "growth.levels.batch_size": "of steps: the fixture style",
    "growth.levels.learning_rate": "of steps: the fixture style",
    "schedule": "all rows with R1 have one of γ; of steps: the fixture conv",
    "schedule.images": "of steps: the fixture conv",
    "schedule.r1_gamma_end": "of steps: the fixture conv",
    "augment.target": "the factor augment: p adapts if there is a target",
    "resumed": "of runs that go on with another batch size: tests/core",
}
#: names of factors that are not the key of a field
KEYS = {
    "image": "channels",
    "networks.F.activate_output": "networks.activate_output",
    "networks.F.pixel_norm": "networks.pixel_norm",
}


def discrete_fields(model, prefix=""):
    """Yield the dotted key of every field of a configuration with a few values, in groups too."""
    for name, field in model.model_fields.items():
        key = f"{prefix}{name}"
        if is_discrete(field.annotation) or key in ("algorithm", "objective"):
            yield key
        if name in ("plugins", "resumed"):  # records of what was used, not choices
            continue
        for group in groups_in(field.annotation):
            # The perceptrons of a family have the same fields.
            inner = key if name not in "GED" else f"{prefix}F"
            yield from discrete_fields(group, f"{inner}.")


def is_discrete(annotation):
    """Return whether a type has a few values: bool, Literal with several, None or something."""
    origin = get_origin(annotation)
    if origin is Literal:
        return len(get_args(annotation)) > 1
    return annotation is bool or (origin in (Union, UnionType) and NoneType in get_args(annotation))


def groups_in(annotation):
    """Return the models in a type."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [
        group for part in get_args(annotation) if get_origin(annotation) is not Literal for group in groups_in(part)
    ]


def test_every_discrete_field_is_crossed_or_listed_with_a_reason():
    found = {KEYS.get(key, key) for key in discrete_fields(Config)} - {"networks.family"}
    assert found - FACTORS.keys() <= NOT_CROSSED.keys(), "add a factor to covering.py, and rows to the array"


def test_a_new_field_is_noticed():
    class Wider(Config):
        quick: bool = False

    assert "quick" in set(discrete_fields(Wider)) - FACTORS.keys() - NOT_CROSSED.keys()


def test_every_pair_of_choices_occurs():
    occurring = set().union(*(pairs_of(row.choices) for row in rows().values()))
    assert all_pairs() - occurring == set()
    assert len(all_pairs()) > 1000


@pytest.mark.parametrize("row", rows().values(), ids=lambda row: row.id)
def test_a_row_has_the_configuration_that_it_names(row):
    config = config_of(array_fixture(row), row.choices["precision"])
    assert (config.networks.family, config.algorithm) == (row.choices["networks.family"], row.choices["algorithm"])
    assert row.choices.keys() == {factor for factor in FACTORS if has(row.choices, factor)}
    if has(row.choices, "augment"):
        assert (config.augment is not None, config.adapts) == {
            "none": (False, False),
            "fixed": (True, False),
            "adaptive": (True, True),
        }[row.choices["augment"]]
