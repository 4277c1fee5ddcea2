"""Algorithm 1 as data: what each preset trains, and with whose moments."""

import pytest

from alae_core import updates_of
from alae_core.state import adams
from tests.conftest import tiny_config


def trains(**overrides):
    return {update.name: dict(update.trains) for update in updates_of(tiny_config(**overrides))}


def test_paper_has_an_adam_per_update_and_leaves_f_alone_in_reciprocity():
    assert trains(updates="paper") == {
        "discriminator": {"E": "discriminator", "D": "discriminator"},
        "generator": {"F": "generator", "G": "generator"},
        "reciprocity": {"E": "reciprocity", "G": "reciprocity"},
    }


def test_official_has_two_adams_and_trains_f_in_reciprocity():
    assert trains(updates="official") == {
        "discriminator": {"E": "encoder", "D": "encoder"},
        "generator": {"F": "decoder", "G": "decoder"},
        "reciprocity": {"E": "encoder", "G": "decoder", "F": "decoder"},
    }
    assert set(adams(tiny_config(updates="official"))) == {
        ("encoder", "E"),
        ("encoder", "D"),
        ("decoder", "F"),
        ("decoder", "G"),
    }


def test_the_order_is_algorithm_1():
    assert list(trains()) == ["discriminator", "generator", "reciprocity"]


@pytest.mark.parametrize("kind", ["paper", "official"])
def test_reciprocity_none_leaves_a_plain_gan(kind):
    assert list(trains(updates=kind, reciprocity="none")) == ["discriminator", "generator"]


def test_reciprocity_in_data_space_cannot_train_f():
    assert set(trains(updates="official", reciprocity="data")["reciprocity"]) == {"E", "G"}
