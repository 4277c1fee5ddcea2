"""A model from Python, as in a notebook: train, generate, encode, interpolate, save, and continue on another framework.

    python examples/notebook.py

Keras runs on one framework per process, so the last cell continues the run in a second process.
"""

# %% Train for a few steps on an array of images, uint8 (count, H, W, C).
import os
import subprocess
import sys

import numpy as np
from sklearn.datasets import load_digits

import alae_core as alae
import alae_workbench as bench

digits = (load_digits().images * (255 / 16)).astype(np.uint8)
run = bench.train("digits-mlp", data=digits, steps=50, overrides={"networks": {"w": 16}}, out="runs/notebook")
print(run)

# %% Generate. A loaded model has the averaged networks; its methods take and return NumPy arrays.
model = alae.load(run.checkpoint)
print(model)
samples = model.generate(model.map(model.sample_prior(8, seed=1)))
print("samples", samples.shape, "from", samples.min().round(2), "to", samples.max().round(2))

# %% Encode, and reconstruct.
w = model.encode(digits[:8, :, :, None])
again = model.reconstruct(digits[:8, :, :, None])
print("w", w.shape, "reconstruction error", np.square(again - (digits[:8, :, :, None] / 127.5 - 1)).mean().round(3))

# %% Interpolate between two digits in w.
between = np.linspace(w[0], w[1], 7, dtype=np.float32)
print("between two digits", model.generate(between).shape)

# %% Train by hand: a runner trains the given model in place, step by step.
backend = alae.load_backend(os.environ["KERAS_BACKEND"])
model = alae.build(alae.load_config("digits-mlp", {"updates": "official", "updates.distance": "sum"}))
runner = backend.runner(model)
for step in range(3):
    losses = runner.step(digits[128 * step : 128 * (step + 1), :, :, None])
print(runner, dict(losses))
print(alae.load_checkpoint(alae.save_checkpoint("runs/by-hand", runner)))

# %% Continue on another framework, if one is installed; `alae train --resume` does the same.
other = next((name for name in ("torch", "tensorflow", "jax") if name != backend.name), backend.name)
script = f"""
import numpy as np, alae_workbench as bench
from sklearn.datasets import load_digits
digits = (load_digits().images * (255 / 16)).astype(np.uint8)
print(bench.train(resume="runs/notebook", data=digits, steps=60, backend="{other}", observers=[]))
"""
environment = {key: value for key, value in os.environ.items() if key != "KERAS_BACKEND"}
print(other, subprocess.run([sys.executable, "-c", script], env=environment, text=True, capture_output=True).stdout)
