"""Models for the tests of the specification: of all families, with labels, reciprocity in z, and D on images."""

import numpy as np
import pytest

import alae_core as alae
from tests.conftest import random_images, tiny_config, tiny_conv_config, tiny_style_config


def randomise_weights(model):
    """Change every weight from its initial value, so that noise, biases and labels have an effect."""
    rng = np.random.default_rng(0)
    model.set_weights({n: w + 0.3 * rng.normal(size=w.shape).astype(np.float32) for n, w in model.weights().items()})
    return model


def style_images(count, size=8):
    return random_images(count, (size, size, 2))


@pytest.fixture(scope="session")
def plain(backend):
    return randomise_weights(alae.build(tiny_config()))


@pytest.fixture(scope="session")
def classes(backend):
    return randomise_weights(alae.build(tiny_config(labels=3)))


@pytest.fixture(scope="session")
def conv(backend):
    return randomise_weights(alae.build(tiny_conv_config()))


@pytest.fixture(scope="session")
def style(backend):
    return randomise_weights(alae.build(tiny_style_config()))


@pytest.fixture(scope="session")
def style_classes(backend):
    return randomise_weights(alae.build(tiny_style_config(labels=3)))


@pytest.fixture(scope="session")
def of_z(backend):
    return randomise_weights(alae.build(tiny_style_config(reciprocity="z", networks__z=7)))


@pytest.fixture
def of_images(backend):
    """A model with large weights in D, so that small differences between images give large differences of logits."""
    model = randomise_weights(alae.build(tiny_style_config(networks__discriminator="images")))
    model.set_weights({name: 3 * w if name.startswith("D/") else w for name, w in model.weights().items()})
    return model
