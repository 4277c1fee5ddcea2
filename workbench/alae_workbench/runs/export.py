"""Export of a run: a small run to share, as a directory or as one .zip, with averaged networks as float16 and a card.

It has config.yaml, one checkpoint, the run's directions in w, a few held-out images (`models.opening.EXAMPLES`) and
CARD.md. Every command that uses a model opens it like any run; training cannot continue from it.
"""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from alae_core import AlaeError, Checkpoint
from alae_core._support.files import atomic_file, create_directory, write_atomically
from alae_core.checkpoint_writing import write_checkpoint
from alae_core.config_data import RUN
from alae_core.run_archive import ZIP, write_archive
from alae_core.state import as_dtype
from alae_workbench.data.derived import take_first
from alae_workbench.data.source import format_shape, read_all
from alae_workbench.evaluation.records import read_evaluation
from alae_workbench.evaluation.registry import MEASURES
from alae_workbench.models.directions import load_directions, save_directions
from alae_workbench.models.opening import CARD_KEY, EXAMPLES, OpenedModel
from alae_workbench.runs.settings import Experiment, read_training
from alae_workbench.storage.directory import Run

#: the card's file
CARD = "CARD.md"
#: number of held-out images exported as examples
COUNT = 48


@dataclass(frozen=True)
class _Author:
    """The software that computed the state."""

    name: str
    packages: dict[str, str]

    def versions(self) -> dict[str, str]:
        return self.packages


def export_run(opened: OpenedModel, out: Path, credit: str, data: str | None = None) -> Path:
    """Write the exported run `out`, and return the path of its card; if `out` ends in .zip, one file, and its path.

    Weights become float16. Of the paths of the training images and of the run it started from, only the names are kept.

    Args:
        opened: the model, opened from the checkpoint to export.
        out: the new directory or .zip.
        credit: source and licence of the training images, for the card.
        data: the training images, if they are not where the run recorded them.

    Raises:
        AlaeError: `out` exists; the run is not a run directory, or has no evaluation of this checkpoint, which
            the card quotes.
        CheckpointError: float16 cannot hold a weight.
        DataError: the run's images cannot be read.
    """
    if out.exists():
        raise AlaeError(f"{out} exists already: choose another name")
    if out.suffix != ZIP:
        return _write_run(opened, out, credit, data)
    with TemporaryDirectory() as directory:
        card = _write_run(opened, Path(directory, out.stem), credit, data)
        out.parent.mkdir(parents=True, exist_ok=True)
        write_archive(card.parent, out)
    return out


def _write_run(opened: OpenedModel, out: Path, credit: str, data: str | None) -> Path:
    checkpoint = opened.checkpoint
    run = Run.find(checkpoint.path)
    card = _make_card(run, checkpoint, credit)
    training = read_training(checkpoint)
    origin = training.origin and training.origin.model_copy(update={"path": training.origin.name})
    training = training.model_copy(update={"data": training.data and Path(training.data).name, "origin": origin})
    experiment = Experiment(checkpoint.config, training)
    examples = take_first(opened.load_data(data).held_out, COUNT)
    state = {
        name: as_dtype(name, array, np.float16) if name.startswith("averages/") else array
        for name, array in checkpoint.state.items()
        if name.startswith("averages/") or name in ("step", "w_mean")
    }
    with create_directory(out):
        write_checkpoint(
            out / "checkpoints",
            state,
            checkpoint.config,
            author=_Author(checkpoint.backend, dict(checkpoint.versions)),
            measure=checkpoint.measure,
            run={**checkpoint.run, RUN: training.model_dump(mode="json"), CARD_KEY: card},
        )
        write_atomically(out / "config.yaml", experiment.to_yaml().encode())
        with atomic_file(out / EXAMPLES) as file:
            if examples.labels is None:
                np.savez_compressed(file, images=read_all(examples))
            else:
                np.savez_compressed(file, images=read_all(examples), labels=examples.labels)
        if directions := load_directions(run):
            save_directions(Run(out), directions)
        write_atomically(out / CARD, format_card(checkpoint, card).encode())
    return out / CARD


def format_card(checkpoint: Checkpoint, card: dict[str, Any]) -> str:
    """Return the text of CARD.md from the content that an exported checkpoint has in `run["card"]`."""
    config, images = checkpoint.config, card["images"]
    weights = sum(array.size for name, array in checkpoint.state.items() if name.startswith("averages/"))
    origin = read_training(checkpoint).origin
    software = ", ".join(f"{name} {version}" for name, version in checkpoint.versions.items())
    rows = {
        "images": f"{format_shape(config.image)}; {images['train']:,} to train on, {images['held_out']:,} held out",
        "source and licence of the images": card["credit"],
        "networks": f"family {config.networks.family}; {weights:,} averaged weights as float16",
        "training": f"step {checkpoint.step:,}, {card['minutes']:.1f} minutes on the backend {checkpoint.backend}",
        **({"fine-tuned from": str(origin)} if origin else {}),
        "command": "`alae train --config config.yaml --data SOURCE`, where SOURCE has these images",
        "software": software,
    }
    measures = [
        f"| {name} | {value:.4f} | {MEASURES[name].arrow} | {MEASURES[name].description} |"
        for name, value in card["measures"].items()
    ]
    return "\n".join(
        [
            f"# Model card: {config.description}",
            "",
            "An Adversarial Latent Autoencoder, written by `alae export`.",
            "",
            "| | |",
            "| --- | --- |",
            *(f"| {name} | {value} |" for name, value in rows.items()),
            "",
            "## Measures",
            "",
            "Taken by `alae evaluate` before weights became float16; ↓ lower and ↑ higher values are better.",
            "",
            "| measure | value | | |",
            "| --- | --- | --- | --- |",
            *measures,
            "",
        ]
    )


def _make_card(run: Run, checkpoint: Checkpoint, credit: str) -> dict[str, Any]:
    """Return the card's content as plain data: credit, minutes of training, numbers of images, and measures."""
    file = run.path / "evaluations" / f"step-{checkpoint.step:08d}.json"
    if not file.exists():
        raise AlaeError(f"{checkpoint.path} has not been measured: `alae evaluate {checkpoint.path}` does it")
    evaluation = read_evaluation(file)
    return {
        "credit": credit,
        "minutes": _sum_seconds(run, checkpoint) / 60,
        "images": evaluation.images,
        "measures": {name: value for name, value in evaluation.measures.items() if name in MEASURES},
    }


def _sum_seconds(run: Run, checkpoint: Checkpoint) -> float:
    """Return the seconds of training up to the checkpoint, from the speeds in the run's records."""
    seconds, shown = 0.0, 0
    for step, record in run.read_records():
        if {"images", "images_per_second"} <= record.keys() and step <= checkpoint.step:
            now = record["images"]
            seconds, shown = seconds + (now - shown) / record["images_per_second"], now
    return seconds
