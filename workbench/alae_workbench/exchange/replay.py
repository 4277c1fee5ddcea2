"""The authors' recorded training iterations, and their repetition by a backend's runner.

`docs/parity.md` describes records.
"""

import re
from collections.abc import Iterator
from math import acos, pi
from typing import Any

import numpy as np

from alae_core import Backend, Checkpoint, Config
from alae_core.config import make_config
from alae_workbench.exchange.official import NETWORKS, official_tensors

#: limits by kind of quantity for ‖ours − theirs‖ / ‖theirs‖
TRAINING = {
    "norm of the gradient of E": 1e-4,
    "losses": 1e-4,
    "displacement of each weight": 1e-3,
    "displacement of the mean of w": 1e-3,
}
_GRADIENT, _LOSS, _WEIGHT, _MEAN = TRAINING
#: our networks by the names under "after" in a record
_AFTER = {"F": "mapping_f", "D": "mapping_d", "G": "decoder", "E": "encoder"}
_LOSSES = {"discriminator": "loss_d", "generator": "loss_g", "reciprocity": "loss_ae"}
#: steps of a fade in the schedule of a repetition: so many that every blend occurs, and hardly changes in one step
_FADE = 10**9

Arrays = dict[str, np.ndarray]
#: by kind of quantity, and by weight or loss
Training = dict[tuple[str, str], np.ndarray]


def read_training(record: Arrays, at: str, models: dict[str, Arrays], config: Config) -> Training:
    """Read one training from the record, by our names and in our scale."""
    found: Training = {(_GRADIENT, ""): record[f"{at}grad_E_norm"]}
    for iteration in list_iterations(record, at):
        losses = [f"it{iteration}/{loss}" for loss in _LOSSES.values()]
        found |= {(_LOSS, name): record[at + name] for name in losses}
    if not any(key.startswith(f"{at}after/") for key in record):
        return found
    for network, theirs in NETWORKS.items():
        for ours, (name, _, read) in official_tensors(network, config).items():
            after, before = record[f"{at}after/{_AFTER[network]}.{name}"], models[theirs][name]
            found[_WEIGHT, f"`{ours}`"] = read(after.astype(np.float64)) - read(before.astype(np.float64))
    after, before = record[f"{at}after/dlatent_avg.buff"][0], models["dlatent_avg"]["buff"][0]
    return found | {(_MEAN, ""): after.astype(np.float64) - before}


class Replay:
    """Repeats recorded iterations with a backend's runner, at the record's levels and blends."""

    def __init__(self, record: Arrays, start: Checkpoint, config: Config, backend: Backend) -> None:
        from alae_core import build

        self.record, self.state = record, start.state
        self.alae = build(config)
        self.runner = backend.runner(self.alae)

    def train(self, at: str, lod: int, blend: float, nudge: int | None = None) -> Training:
        """Train at one level, and return every quantity that a record may hold.

        `nudge`, if given, is a seed: the weights are multiplied by random numbers that differ from 1 by a rounding.
        """
        state, x = self._make_start(lod, blend, nudge), to_nhwc(self.record[f"lod{lod}/x"])
        self.runner.load(state)
        found: Training = {(_GRADIENT, ""): self._measure_gradient(x, self._read_draws(at, 0, lod), blend)}
        images = undo_fade(x, lod, blend)
        for iteration in list_iterations(self.record, at):
            step = self.runner.step(images, draws=self._read_draws(at, iteration, lod))
            found |= {(_LOSS, f"it{iteration}/{theirs}"): np.array(step[ours]) for ours, theirs in _LOSSES.items()}
        after = self.runner.state()
        for name in self.alae.variables:
            moved = after[f"weights/{name}"] - state[f"weights/{name}"].astype(np.float64)
            found[_WEIGHT, f"`{name}`"] = moved
        return found | {(_MEAN, ""): after["w_mean"] - state["w_mean"].astype(np.float64)}

    def _measure_gradient(self, x: np.ndarray, draws: dict[str, Any], blend: float) -> np.ndarray:
        """Return the norm of the gradient of the first discriminator loss by E's weights, in the authors' scale."""
        gradients = self.runner.gradients("discriminator", x, draws, blend=blend)
        ours = [gradient / self.alae.scales[name] for name, gradient in gradients.items() if name.startswith("E/")]
        return np.sqrt(sum(np.square(gradient.astype(np.float64)).sum() for gradient in ours))

    def _make_start(self, lod: int, blend: float, nudge: int | None) -> Arrays:
        state = {**self.state, "step": np.array(step_at(lod, blend), np.int64)}
        if nudge is None:
            return state
        rng = np.random.default_rng(nudge)
        rounding = np.finfo(self.alae.config.dtype).eps
        # Sorted, because the order of arrays in safetensors differs between processes.
        weights = {name: state[name] for name in sorted(state) if name.startswith("weights/")}
        return state | {
            name: (array * (1 + rounding * rng.standard_normal(array.shape))).astype(array.dtype)
            for name, array in weights.items()
        }

    def _read_draws(self, at: str, iteration: int, lod: int) -> dict[str, Any]:
        from alae_core.draws import Draws

        per_loss = 1 + 2 * (lod + 1)
        firsts = {name: (3 * iteration + i) * per_loss for i, name in enumerate(_LOSSES)}
        return {
            name: Draws(self.record[f"{at}draw{first}"], noise=read_noise(self.record, f"{at}draw", first + 1, lod))
            for name, first in firsts.items()
        }


def replay_schedule(config: Config, batch_size: int) -> Config:
    """Return a schedule in which each level fades in over `_FADE` steps and then stays for as many steps again."""
    level = {"images": 2 * _FADE * batch_size, "batch_size": batch_size, "fade": 0.5}
    return make_config(config.data() | {"growth": {"levels": [level] * config.lods}})


def step_at(lod: int, blend: float) -> int:
    """Return the step at which `replay_schedule` has faded level `lod` in to `blend`."""
    return 2 * _FADE * lod + round(_FADE * acos(1 - 2 * blend) / pi)


def undo_fade(x: np.ndarray, lod: int, blend: float) -> np.ndarray:
    """Return images that our training step fades to `x`; the authors' step received x already faded."""
    if lod == 0 or blend in (0, 1):
        return x  # at blend 0 only the level below matters, which is the same in both steps
    count, size, _, channels = x.shape
    below = x.reshape(count, size // 2, 2, size // 2, 2, channels).mean((2, 4)).repeat(2, 1).repeat(2, 2)
    return below + (x - below) / x.dtype.type(blend)


def list_levels(record: Arrays, pattern: str) -> Iterator[tuple[str, int, float]]:
    """Yield the (key prefix, level, blend) of each part of a record, lowest level first, largest blend first."""
    found = {match[0]: match for key in record if (match := re.match(pattern, key))}
    for at in sorted(found, key=lambda at: (int(found[at][1]), -float(found[at][2]))):
        yield at, int(found[at][1]), float(found[at][2])


def list_iterations(record: Arrays, at: str) -> list[int]:
    """Return the numbers of the recorded iterations, in order."""
    return sorted({int(match[1]) for key in record if (match := re.match(rf"{at}it(\d+)/", key))})


def read_noise(record: Arrays, prefix: str, first: int, lod: int) -> list[np.ndarray]:
    """Read the noise map of each layer, from the entries numbered from `first`."""
    return [to_nhwc(record[f"{prefix}{first + layer}"]) for layer in range(2 * (lod + 1))]


def norm(array: np.ndarray) -> float:
    """Return the Euclidean norm of all elements."""
    return float(np.linalg.norm(array))


def to_nhwc(images: np.ndarray) -> np.ndarray:
    """Transpose the authors' NCHW images."""
    return images.transpose(0, 2, 3, 1)
