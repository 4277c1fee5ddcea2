"""The computations of one backend for a comparison; called in a process that opens only that backend."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import alae_core as alae
from alae_workbench.data.batches import batches
from alae_workbench.data.load import load_data
from alae_workbench.runs.settings import load_experiment


def losses(
    name: str, steps: int, *, resume: Path | None = None, save: Path | None = None, **overrides: Any
) -> dict[str, np.ndarray]:
    """Train on real digits; returns each update's losses over `steps` steps. With `save`, the run is saved halfway."""
    backend = alae.load_backend(name)
    experiment = load_experiment("digits-mlp", {"seed": 5, **overrides})
    config, training = experiment.config, experiment.training
    runner = backend.runner(alae.build(config))
    if resume:
        runner.load(alae.load_checkpoint(resume).state)
    digits = load_data(training.data, config, held_out=training.held_out).train
    images = batches(digits, config, steps=experiment.steps, start=runner.step_number, put=runner.put)
    found = []
    for step in range(steps):
        if save and step == steps // 2:
            alae.save_checkpoint(save, runner)
        found.append(dict(runner.step(next(images))))
    return {update: np.array([each[update] for each in found]) for update in found[0]}


def pictures(name: str, run: Path) -> np.ndarray:
    """Generate samples of a checkpoint and their reconstructions, (2, 8, H, W, C)."""
    model = alae.load(run, backend=name)
    w = model.truncate(model.map(model.sample_prior(8, seed=3)))
    x = model.generate(w, noise=model.sample_noise(8, seed=4))
    return np.stack([x, model.reconstruct(x, noise=model.sample_noise(8, seed=5))])


def initial_state(name: str, plugins: Sequence[Path], changes: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Return the state of a new run with plug-ins."""
    return _start(name, plugins, changes).state()


def losses_and_gradients(
    name: str, plugins: Sequence[Path], changes: Mapping[str, Any], state: Mapping[str, np.ndarray]
) -> dict[str, Any]:
    """Return each update's loss by its name, and its gradients by UPDATE/WEIGHT, at a state."""
    runner = _start(name, plugins, changes)
    runner.load(state)
    images = np.random.default_rng(0).uniform(-1, 1, (6, *runner.model.config.image))
    draws = runner.draws(0, 6)
    gradients = {
        f"{update}/{weight}": gradient
        for update in draws
        for weight, gradient in runner.gradients(update, images, draws).items()
    }
    return {**runner.losses(images, draws), **gradients}


def _start(name: str, plugins: Sequence[Path], changes: Mapping[str, Any]) -> alae.Runner:
    for plugin in plugins:
        alae.load_plugin(plugin)
    config = alae.load_config("digits-mlp", changes)
    return alae.load_backend(name, precision=config.precision).runner(alae.build(config))
