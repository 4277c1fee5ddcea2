"""The computations of one backend for a comparison; called in a process that opens only that backend."""

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
