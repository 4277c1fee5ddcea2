"""Fine-tuning against training from nothing: digits 5 to 9, from a model of the digits 0 to 4, in as many steps.

The script trains a model of the digits 0 to 4, then two of 5 to 9 with the same settings: one starts from the first,
one from nothing. It prints a table of measures on held-out digits, and writes runs, curves and grids to a folder.

    python examples/fine_tuning.py [--data mnist] [--steps 600] [--out fine-tuning] [--backend torch]
"""

import argparse
from pathlib import Path

import numpy as np

import alae_core as alae
import alae_workbench as bench
from alae_workbench.figures.save import save_figure

MEASURES = ("reconstruction_error", "reciprocity_error", "fd_random64")


def main() -> None:
    """Train the three models, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="mnist", help="MNIST, or other grey 28×28 digits with labels (default mnist)")
    parser.add_argument("--steps", type=int, default=600, help="training steps of each model (default 600)")
    parser.add_argument("--out", type=Path, default=Path("fine-tuning"), help="folder to write (default fine-tuning)")
    parser.add_argument("--backend", default="torch", help="jax, torch or tensorflow (default torch)")
    options = parser.parse_args()

    backend = alae.load_backend(options.backend)
    low, high = write_digits(options.data, options.out)
    settings = {
        "training.held_out": 0.1,
        "training.report_every": max(1, options.steps // 20),
        "training.checkpoint_every": max(1, options.steps // 10),
        "training.keep_checkpoints": 1,
    }
    common = {"steps": options.steps, "backend": backend, "observers": []}
    first = bench.train("mnist-conv", data=low, out=options.out / "digits-0-4", overrides=settings, **common)
    tuned = bench.train(origin=first, data=high, out=options.out / "fine-tuned", **common)
    new = bench.train("mnist-conv", data=high, out=options.out / "from-nothing", overrides=settings, **common)

    print("| digits 5 to 9 | " + " | ".join(MEASURES) + " |\n| --- |" + " --- |" * len(MEASURES))
    for run in (tuned, new):
        values = bench.evaluate(run, measures=MEASURES).measures
        print(f"| {run.path.name} | " + " | ".join(f"{values[name]:.4f}" for name in MEASURES) + " |", flush=True)
        save_figure(options.out / f"{run.path.name}-samples.png", bench.figure.samples(run))
        save_figure(options.out / f"{run.path.name}-reconstructions.png", bench.figure.reconstructions(run))
    save_figure(options.out / "curves.png", bench.figure.losses([tuned, new]))


def write_digits(name: str, out: Path) -> tuple[Path, Path]:
    """Write the digits 0 to 4 and 5 to 9 of a data source to two files; return their paths."""
    images = bench.load_data(name, alae.load_config("mnist-conv", {"labels": 10}), held_out=0).train
    digits, labels = images.images(np.arange(len(images)))[..., 0], np.asarray(images.labels)
    out.mkdir(parents=True, exist_ok=True)
    paths = out / "digits-0-4.npz", out / "digits-5-9.npz"
    for path, chosen in zip(paths, (labels < 5, labels >= 5), strict=True):
        np.savez(path, images=digits[chosen])
    return paths


if __name__ == "__main__":
    main()
