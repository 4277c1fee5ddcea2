"""Stacked MNIST: how many of 1,000 modes do samples reach, with each objective, with and without R2?

Three MNIST digits are stacked as the channels of one image, so each of the 1,000 triples of digits is a mode (Metz et
al. 2017, section 3.3.1). A small convolutional classifier finds the digits of each sample. The script prints how many
triples occur, and the Kullback-Leibler divergence of their frequencies from those of the training images.

    python examples/stacked_mnist.py [--data mnist] [--steps 2000] [--seeds 0] [--backend torch]
"""

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np

import alae_core as alae
import alae_workbench as bench

VARIANTS: dict[str, dict[str, Any]] = {
    "logistic": {"objective": "logistic"},
    "logistic, R2": {"objective": "logistic", "r2_gamma": 3.0},
    "relativistic": {"objective": "relativistic"},
    "relativistic, R2": {"objective": "relativistic", "r2_gamma": 3.0},
}
CHANGES = {"image": [28, 28, 3], "r1_gamma": 3.0, "networks.widths": [64, 32, 16], "training.held_out": 1000}


def main() -> None:
    """Train every variant, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="mnist", help="MNIST, or other grey 28×28 digits with labels (default mnist)")
    parser.add_argument("--steps", type=int, default=2000, help="training steps of each variant (default 2000)")
    parser.add_argument("--samples", type=int, default=26_000, help="samples to classify (default 26000)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="seeds of each variant (default 0)")
    parser.add_argument("--backend", default="torch", help="jax, torch or tensorflow (default torch)")
    options = parser.parse_args()

    backend = alae.load_backend(options.backend)
    digits, labels = read_digits(options.data)
    chosen = np.random.default_rng(0).integers(len(digits), size=(60_000, 3))
    stacked, triples = np.moveaxis(digits[chosen], 1, -1), labels[chosen] @ [100, 10, 1]
    classify = train_classifier(digits, labels)

    print("| | modes of 1,000 | divergence |\n| --- | --- | --- |")
    for name, changes in VARIANTS.items():
        for seed in options.seeds:
            changes = {**CHANGES, **changes, "seed": seed}
            run = bench.train(
                "mnist-conv", data=stacked, steps=options.steps, backend=backend, overrides=changes, observers=[]
            )
            model = alae.load(run.checkpoint)
            found = np.concatenate(
                [
                    classify(model.generate(model.map(model.sample_prior(count, seed=i))))
                    for i, count in enumerate(split_count(options.samples, 500))
                ]
            )
            modes, divergence = compare_modes(found, triples)
            print(f"| {name}, seed {seed} | {modes} | {divergence:.2f} |", flush=True)


def read_digits(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the training digits of a data source, uint8 (count, 28, 28), and their classes (count,)."""
    config = alae.load_config("mnist-conv", {"labels": 10})
    images = bench.load_data(name, config, held_out=0).train
    return images.images(np.arange(len(images)))[..., 0], np.asarray(images.labels)


def train_classifier(digits: np.ndarray, labels: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function that maps stacked digits (count, 28, 28, 3) in [−1, 1] to the number of their triple."""
    import keras

    keras.utils.set_random_seed(0)
    network = keras.Sequential(
        [
            keras.layers.Conv2D(32, 3, strides=2, activation="relu"),
            keras.layers.Conv2D(64, 3, strides=2, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(128, activation="relu"),
            keras.layers.Dense(10),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile("adam", loss, metrics=["accuracy"])
    kept = len(digits) * 9 // 10
    x = digits[..., None] / np.float32(127.5) - 1
    network.fit(x[:kept], labels[:kept], batch_size=64, epochs=3, verbose=0)
    print(f"accuracy of the classifier: {network.evaluate(x[kept:], labels[kept:], verbose=0)[1]:.4f}")

    def classify(images: np.ndarray) -> np.ndarray:
        found = [network.predict(images[..., i : i + 1], verbose=0).argmax(-1) for i in range(3)]
        return np.stack(found, -1) @ [100, 10, 1]

    return classify


def split_count(count: int, most: int) -> list[int]:
    """Return `count` as batches of at most `most`."""
    return [min(most, count - start) for start in range(0, count, most)]


def compare_modes(found: np.ndarray, real: np.ndarray) -> tuple[int, float]:
    """Return how many triples `found` contains, and the divergence of its frequencies from those of `real`, in nats."""
    p, q = (np.bincount(triples, minlength=1000) / len(triples) for triples in (found, real))
    seen = p > 0
    return int(seen.sum()), float(np.sum(p[seen] * np.log(p[seen] / q[seen])))


if __name__ == "__main__":
    main()
