# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # alae: a quick start
#
# Train an adversarial latent autoencoder, look at it, measure it, edit images with it; then use your own data, your own
# loss and another framework. The whole notebook takes two minutes on two CPU cores and downloads nothing.
#
# First install alae with one framework, in a copy of the repository: `pip install '.[jax]'`, or `.[torch]`, or
# `.[tensorflow]`.

# %%
# Import alae before Keras, or set KERAS_BACKEND before both: Keras runs on one framework per process, and alae selects
# the first installed of JAX, PyTorch and TensorFlow.
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np

import alae_core as alae
import alae_workbench as bench

# %% [markdown]
# ## Train
#
# `digits-conv` is a preset: small convolutional networks for the 1,797 handwritten digits of scikit-learn, 8×8 pixels.
# Interrupt the kernel to save and stop. With `resume="auto"` you can run the cell again: it continues an interrupted
# run bit for bit, and does nothing if the run is finished.

# %%
run = bench.train("digits-conv", steps=400, out="runs/quickstart", resume="auto")

# %% [markdown]
# The summary has the last losses, measures on images that no step has seen, and the last grid of images.

# %%
run

# %% [markdown]
# ## Look
#
# Open a run once, and pass it to the functions below. F maps random z to a latent code w, G maps w to an image, E maps
# an image to w, and D scores w.

# %%
opened = bench.load(run)
opened.model

# %%
bench.figure.samples(opened, 24, seed=1)

# %% [markdown]
# G(E(x)) reconstructs images. Between the codes of two images, G draws images in between.

# %%
bench.figure.reconstructions(opened, count=12)

# %%
images, _ = opened.read_images(limit=2)
bench.figure.interpolation(opened, [images[:1], images[1:]], count=10)

# %% [markdown]
# The methods of the model take and return NumPy arrays: z and w have a row per image, and images are floats in [−1, 1]
# of shape (count, height, width, channels).

# %%
z = opened.model.sample_prior(16, seed=1)
x = opened.model.generate(opened.model.map(z))
print("samples", x.shape, x.dtype, "from", x.min().round(2), "to", x.max().round(2))
print("codes", opened.model.encode(x).shape, "scores", opened.model.discriminate(opened.model.encode(x)).round(1)[:4])

# %% [markdown]
# ## Measure
#
# `alae measures` lists the measures and their groups. `pandas.DataFrame(evaluation.rows())` makes a data frame.

# %%
evaluation = bench.evaluate(opened, ["errors", "similarity", "samples"])
evaluation

# %%
evaluation.rows()[0]

# %% [markdown]
# ## Edit
#
# A direction in w changes one property of an image. With labels, `shift` finds the difference between the mean code of
# a class and that of all others. Here a move of 3 standard deviations turns digits towards a 0.

# %%
bench.directions.fit(opened, method="shift")

# %%
bench.edit(opened, direction={"shift-class-0": 3}, count=6)

# %% [markdown]
# alae ships a trained model of cartoon avatars, which has directions too: `bench.directions.read("shipped")` lists
# them.

# %%
bench.edit("shipped", direction={"shift-glasses": 2, "shift-smiling": 2}, count=4)

# %% [markdown]
# ## Your own data
#
# `data` takes an array uint8 (count, height, width, channels), or the path of a folder, an archive or another
# collection of images (docs/data.md). Without a preset, alae makes a configuration for the images. Here they are discs
# of random colours; after 200 steps, samples are still rough.

# %%
random, grid = np.random.default_rng(0), np.mgrid[:16, :16]
discs = np.full((600, 16, 16, 3), 255, np.uint8)
for image in discs:
    centre, radius = random.uniform(5, 11, 2), random.uniform(2, 5)
    image[np.hypot(*(grid - centre[:, None, None])) < radius] = random.integers(0, 200, 3)

own = bench.train(data=discs, images=6_400, out="runs/discs", resume="auto")

# %%
bench.figure.samples(own, 24)

# %% [markdown]
# ## Your own loss
#
# A loss is a Python file, so that runs can record it and commands can open the model: see docs/your-own.md. This one is
# least squares (Mao et al. 2017).

# %%
Path("least_squares.py").write_text("""
import alae_core as alae


def judge(logit):
    return alae.ops.square(logit - 1)


OBJECTIVES = {"least_squares": alae.Objective(judge, lambda logit: judge(-logit), judge)}
""")
alae.load_plugin("least_squares.py")
least_squares = {"objective": "least_squares"}
squares = bench.train("digits-mlp", steps=600, overrides=least_squares, out="runs/least-squares", resume="auto")

# %%
bench.compare([run, squares])

# %% [markdown]
# ## Another framework
#
# A checkpoint does not depend on the framework that wrote it. This process keeps its framework, so a second process
# continues the first run for 20 steps on another one, if one is installed.

# %%
here = alae.keras.backend.backend()
other = next((name for name in ("torch", "tensorflow", "jax") if name != here and find_spec(name)), here)
words = ["train", "--resume", "auto", "--out", "runs/quickstart", "--steps", "420", "--backend", other]
done = subprocess.run([sys.executable, "-m", "alae_cli", *words], capture_output=True, text=True, check=True)
print(done.stdout)
