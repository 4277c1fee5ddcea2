"""Checkpoints in the form in which the authors' code saves them."""

import numpy as np
import pytest

import alae_core as alae
from alae_core.config import make_config
from alae_workbench.exchange.official import NETWORKS, official_tensors

#: (levels, channels, startf, maxf, z, w, mapping layers)
SIZES = {
    "usual": (2, 3, 3, 5, 7, 7, 2),
    "one channel": (3, 1, 2, 16, 5, 5, 4),
    "startf beyond maxf": (2, 3, 6, 4, 5, 5, 1),
    "startf as maxf": (2, 3, 4, 4, 5, 5, 1),
    "one level": (1, 3, 3, 5, 4, 4, 1),
    "z unlike w": (2, 4, 2, 8, 3, 6, 3),
    "fused at 128": (6, 3, 1, 3, 4, 4, 1),
}


def config_with(levels, channels, startf, maxf, z, w, layers):
    networks = {"family": "style", "z": z, "w": w, "startf": startf, "maxf": maxf, "mapping_layers": layers}
    return make_config(
        {
            "image": [2 ** (levels + 1)] * 2 + [channels],
            "networks": networks,
            "updates": "official",
            "growth": {"levels": [{"images": 8}] * levels},
            "adam": {"learning_rate": 0.0015},
        }
    )


def theirs_of(config, weights, fill=0.0):
    """Convert weights to the authors' tensors, by network and name; elements that ALAE does not read are `fill`."""
    models = {}
    for network, their_network in NETWORKS.items():
        state = models[their_network] = {}
        for ours, (name, shape, read) in official_tensors(network, config).items():
            # The factor of each element, and its position in the authors' tensor.
            factor = read(np.ones(shape))
            place = np.rint(read(np.arange(np.prod(shape), dtype=np.float64).reshape(shape)) / factor).astype(int)
            tensor = np.full(np.prod(shape), fill)
            tensor[place] = weights[ours] / factor
            state[name] = tensor.reshape(shape).astype(np.float32)
    return models


def checkpoint_of(config, seed=0):
    """Draw the "models" of an authors' checkpoint; also return the weights, averages and mean of w they stand for."""
    rng, model = np.random.default_rng(seed), alae.build(config)
    trained, averaged = (
        {name: rng.normal(size=w.shape).astype(np.float32) for name, w in model.weights().items()} for _ in range(2)
    )
    models = theirs_of(config, trained, fill=7.0)
    models |= {f"{name}_s": state for name, state in theirs_of(config, averaged, fill=7.0).items()}
    for name in ("generator", "generator_s"):
        models[name]["decode_block.0.blur.weight"] = np.ones((1, 1, 3, 3), np.float32)
    mean = rng.normal(size=config.style.w).astype(np.float32)
    models["dlatent_avg"] = {"buff": np.tile(mean, (2 * config.lods, 1))}
    return models, trained, averaged, mean


def save(models, path, is_zip=True):
    """Save an authors' checkpoint in one of PyTorch's two formats; returns its path."""
    torch = pytest.importorskip("torch")
    state = {name: {key: torch.tensor(a) for key, a in state.items()} for name, state in models.items()}
    torch.save({"models": state, "auxiliary": {"step": 3}}, path, _use_new_zipfile_serialization=is_zip)
    return path
