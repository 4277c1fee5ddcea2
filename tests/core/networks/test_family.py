"""Families of networks: what they require of a subclass."""

import keras
import pytest

import alae_core as alae
from alae_core.networks.family import Family
from tests.conftest import tiny_config

pytestmark = pytest.mark.each_backend


def test_labels_need_networks_that_take_them(backend):
    class Unlabelled(Family):
        @classmethod
        def generator(cls, config, section):
            w = keras.Input((config.networks.w,))
            return keras.Model(w, keras.layers.Dense(3)(w), name=section.name)

        encoder = generator

    with pytest.raises(alae.AlaeError, match="labels is 3, but the network G has no input for them: set it to 0"):
        Unlabelled.build(tiny_config(labels=3))
