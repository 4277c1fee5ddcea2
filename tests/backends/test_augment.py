"""Augmentation during training on the backend under test: how p adapts, and its part of the state."""

from typing import get_args

import numpy as np
import pytest
from keras import ops

import alae_core as alae
from alae_core.augment import augment_images, changes
from alae_core.groups import Transform
from tests.conftest import random_images, slow, tiny_config, tiny_style_config
from tests.tolerances import FLOAT32


def start(backend, config):
    model = alae.build(config)
    return model, backend.runner(model)


@pytest.mark.parametrize("target", [-0.9, *slow(0.99)])
def test_p_adapts_to_the_separation_of_real_and_generated_images(backend, target):
    """The fraction of rows in which the real image has the higher logit, minus the fraction of the opposite."""
    model, runner = start(backend, tiny_config(augment={"p": 0.25, "target": target, "images": 60}))
    images, draws = random_images(), runner.draws(0, 6)["discriminator"]
    shown = [
        augment_images(
            *map(ops.convert_to_tensor, (x, changes(draws.augment).astype(np.float32))), 0.25, get_args(Transform)
        )
        for x in (images, model.generate(model.map(draws.z)))
    ]
    real, fake = (model.discriminate(model.encode(ops.convert_to_numpy(x))) for x in shown)
    up = np.sign(real - fake).mean() > target
    assert up == (target < 0)
    runner.step(images)
    np.testing.assert_allclose(runner.state()["augment_p"], 0.35 if up else 0.15, **FLOAT32)


@pytest.mark.parametrize(
    ("config_of", "shape"),
    slow((tiny_config, (6, 4, 3, 2)), (tiny_style_config, (4, 4, 4, 2))),
)
def test_a_run_with_adaptive_p_resumes_bit_for_bit(backend, config_of, shape):
    config = config_of(augment={"p": 0.25, "target": 0.3, "images": 60})
    (_, straight), (_, other) = (start(backend, config) for _ in range(2))
    batches = [random_images(shape[0], shape[1:], seed=seed) for seed in range(3)]
    straight.step(batches[0])
    other.load(straight.state())
    moved = straight.state()["augment_p"]
    assert moved not in (0, 0.25)
    for images in batches[1:]:
        straight.step(images)
        other.step(images)
    assert all(np.array_equal(array, other.state()[name]) for name, array in straight.state().items())


def test_a_fixed_p_is_not_part_of_the_state(backend):
    _, runner = start(backend, tiny_config(augment={"p": 0.5}))
    assert "augment_p" not in runner.state()
    _, adaptive = start(backend, tiny_config(augment={"target": 0.5}))
    with pytest.raises(alae.CheckpointError, match="augment_p"):
        adaptive.load(runner.state())
