"""Overfitting of D against its formula."""

import numpy as np
import pytest

import alae_core as alae
from alae_core import View
from alae_workbench.data.memory import Arrays
from alae_workbench.data.source import DataSet
from alae_workbench.evaluation.measures.overfitting import discriminator_overfitting
from alae_workbench.evaluation.subject import Subject
from tests.conftest import tiny_style_config

PIXELS = np.random.default_rng(0).integers(0, 256, (7, 8, 8, 2), np.uint8)


@pytest.mark.parametrize("input_of_d", ["latent", "images"])
@pytest.mark.parametrize("view", [View(0), View(1)], ids=str)
def test_overfitting_is_the_difference_of_two_real_rates(backend, batch_sizes, input_of_d, view):
    model = alae.build(tiny_style_config(seed=1, networks__discriminator=input_of_d))
    train, held_out = Arrays(PIXELS), Arrays(255 - PIXELS[:5])

    def logits(source):
        x = model.as_seen(source.images(np.arange(len(source)), view.size), view)
        return model.discriminate(x if input_of_d == "images" else model.encode(x, view), view)

    # Shift D's last bias so that D takes only some images for real.
    middle = np.sort(logits(train))[3:5].mean()
    weights = model.weights()
    last = [name for name in weights if name.startswith("D/") and name.endswith("bias")][-1]
    model.set_weights(weights | {last: weights[last] - middle / model.scales[last]})
    expected = 3 / 7 - (logits(held_out) > 0).mean()
    batch_sizes.clear()
    assert discriminator_overfitting(Subject(model, DataSet(train, held_out), view)) == pytest.approx(expected)
    assert max(batch_sizes) == 3
    assert discriminator_overfitting(Subject(model, DataSet(train, train), view)) == 0
