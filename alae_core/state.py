"""The state of a training run as named NumPy arrays: what a checkpoint holds and any backend goes on from.

    weights/F/dense0/kernel                       a weight
    averages/F/dense0/kernel                      its running average
    adam/generator/F/m/dense0/kernel, …/v/…       the moments of one Adam for one network
    adam/generator/F/t                            how many steps that network took with them
    w_mean                                        the running mean of w = F(z), of style networks
    step                                          training steps done

Random numbers need no state: every z follows from seed, step and update.
"""

from collections.abc import Mapping

import numpy as np

from alae_core.config import Config
from alae_core.growth import position
from alae_core.latents import Draws, mixing_cutoff, sample_prior
from alae_core.model import Alae, require_same_arrays
from alae_core.updates import Update, updates_of


def draws(config: Config, seed: int, step: int, count: int) -> dict[str, Draws]:
    """What every update of training step `step` (0 is the first) draws, each its own: float32 z (count, z).

    Style networks also mix styles in the two adversarial updates, and leave their noise to the device.
    """
    return {update.name: _draw(config, update, seed, step, count) for update in updates_of(config)}


def _draw(config: Config, update: Update, seed: int, step: int, count: int) -> Draws:
    size, lod = config.networks.z, position(config, step).stage.lod
    z = sample_prior(count, size, seed=seed, purpose=f"z/{update.name}", position=step)
    if lod is None or update.name == "reciprocity" or not config.style.style_mixing:
        return Draws(z)
    mix = sample_prior(count, size, seed=seed, purpose=f"mix/{update.name}", position=step)
    probability, purpose = config.style.style_mixing, f"cutoff/{update.name}"
    return Draws(z, mix, mixing_cutoff(probability, lod, seed=seed, purpose=purpose, position=step))


def adams(config: Config) -> list[tuple[str, str]]:
    """Every (Adam, network) pair that has moments of its own, in order of first use."""
    return list(
        dict.fromkeys((adam, network) for update in updates_of(config) for network, adam in update.trains.items())
    )


def moment_name(adam: str, moment: str, weight: str) -> str:
    """Where the moment "m" or "v" of the weight "F/dense0/kernel" is kept for one Adam."""
    network, variable = weight.split("/", 1)
    return f"adam/{adam}/{network}/{moment}/{variable}"


def initial_state(
    config: Config, weights: Mapping[str, np.ndarray], w_mean: np.ndarray | None
) -> dict[str, np.ndarray]:
    """The state before the first step of `config`, from a model's weights by name and its running mean of w."""
    state: dict[str, np.ndarray] = {"step": np.zeros((), np.int64)}
    state |= {f"weights/{name}": value for name, value in weights.items()}
    state |= {f"averages/{name}": value.copy() for name, value in weights.items()}
    if w_mean is not None:
        state["w_mean"] = w_mean.copy()
    for adam, network in adams(config):
        state[f"adam/{adam}/{network}/t"] = np.zeros((), np.int64)
        for name, value in weights.items():
            if name.startswith(f"{network}/"):
                state |= {moment_name(adam, moment, name): np.zeros_like(value) for moment in "mv"}
    return state


def require_state(alae: Alae, config: Config, state: Mapping[str, np.ndarray]) -> None:
    """Raise CheckpointError unless `state` has exactly the arrays that a run of `alae` with `config` needs."""
    needed = initial_state(config, alae.weights(), alae.w_mean)
    require_same_arrays({name: value.shape for name, value in needed.items()}, state)
