"""One backend's images of a checkpoint, in a process of its own: python -m tests.across.picture BACKEND RUN OUT.npy."""

import sys

import numpy as np

import alae_core as alae


def main() -> None:
    name, run, file = sys.argv[1:]
    alae.load_backend(name)
    model = alae.load_checkpoint(run, averaged=True).model
    w = model.truncate(model.map(model.sample_prior(8, seed=3)))
    x = model.generate(w, noise=model.sample_noise(8, seed=4))
    np.save(file, np.stack([x, model.reconstruct(x, noise=model.sample_noise(8, seed=5))]))


if __name__ == "__main__":
    main()
