"""Names of networks, blocks, layers and weights."""

import pytest

from alae_core import ConfigError
from alae_core.parts import list_parts, name_part, require_parts, select_weights

WEIGHTS = ["F/dense0/kernel", "E/block1/conv1/kernel", "E/block1/conv1/bias", "E/block10/conv1/kernel"]


def test_every_network_block_layer_and_weight_is_a_part():
    assert list_parts(WEIGHTS[:3]) == [
        *("F", "F.dense0", "F.dense0.kernel"),
        *("E", "E.block1", "E.block1.conv1", "E.block1.conv1.kernel", "E.block1.conv1.bias"),
    ]
    assert name_part(WEIGHTS[1]) == "E.block1.conv1.kernel"


def test_a_part_selects_the_weights_inside_it():
    assert select_weights(["E.block1"], WEIGHTS) == set(WEIGHTS[1:3])
    assert select_weights(["F", "E.block1.conv1.bias"], WEIGHTS) == {WEIGHTS[0], WEIGHTS[2]}
    assert select_weights([], WEIGHTS) == set()


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ("E.blok1", r"names 'E.blok1', which .*; did you mean 'E.block1'\?; parts: E.block1, E.block10, and"),
        ("H", r"names 'H', which is not a part of the networks; parts: F, E, and those inside them"),
        ("E.block1.conv", r"did you mean 'E.block1.conv1'"),
    ],
)
def test_an_unknown_part_is_refused_with_those_that_exist(part, message):
    with pytest.raises(ConfigError, match=message):
        require_parts(["F", part], WEIGHTS)
    require_parts(["F", "E.block10"], WEIGHTS)


def test_freezing_every_weight_is_refused():
    with pytest.raises(ConfigError, match=r"freeze names all weights \(F, E\), which leaves none to train"):
        require_parts(["F", "E"], WEIGHTS)
