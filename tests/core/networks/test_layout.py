"""Layouts have the names, shapes and scales of built networks, and do not need Keras."""

import subprocess
import sys

import pytest

import alae_core as alae
from alae_core.networks.layout import layout
from tests.conftest import tiny_config, tiny_conv_config, tiny_style_config

PLAIN = {"networks__encoder": "plain", "networks__discriminator": "images"}
CONFIGS = {
    "mlp": tiny_config,
    "labels": lambda: tiny_config(labels=3),
    "equalized": lambda: tiny_config(networks__equalized=True, networks__F__lrmul=0.1),
    "bigan": lambda: tiny_config(algorithm="bigan", networks__z=6, networks__w=6),
    "conv": tiny_conv_config,
    "conv with labels": lambda: tiny_conv_config(labels=3, networks__residual=0),
    "conv of three resolutions": lambda: tiny_conv_config(image=[16, 20, 2], networks__widths=[5, 4, 3]),
    "autoencoder of convolutions": lambda: tiny_conv_config(algorithm="autoencoder"),
    "style": tiny_style_config,
    "style with labels": lambda: tiny_style_config(labels=3),
    "plain": lambda: tiny_style_config(**PLAIN, labels=3),
    "vae with styles": lambda: tiny_style_config(algorithm="vae", networks__z=7),
}


@pytest.mark.each_backend
@pytest.mark.parametrize("name", CONFIGS)
def test_the_layout_matches_the_built_networks(backend, name):
    config = CONFIGS[name]()
    model, specs = alae.build(config), layout(config)
    assert {key: tuple(variable.shape) for key, variable in model.variables.items()} == {
        key: spec.shape for key, spec in specs.items()
    }
    assert model.scales == {key: spec.scale for key, spec in specs.items()}
    for key, spec in specs.items():
        for lod in range(3):
            assert model.family.takes_part(key, lod) == (spec.levels is None or lod in spec.levels), key


def test_layouts_and_counts_do_not_import_keras():
    program = (
        "import sys; from alae_core import load_config; from alae_core.sizes import count_weights\n"
        "assert count_weights(load_config('ffhq'))['G'] > 10**7\n"
        "assert 'keras' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
