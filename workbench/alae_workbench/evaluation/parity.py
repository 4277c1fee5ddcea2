"""Parity with the authors' own code: a checkpoint of theirs, and numbers that their code gave with it.

    python -m alae_workbench.evaluation.parity FILE.pth RECORD.npz --backend torch

`docs/parity.md` says what a record holds and what the limits mean. Every number is computed by what a user calls: the
checkpoint is imported, loaded and asked; training is `Runner.step`.
"""

import argparse
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import acos, pi
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np

from alae_core import AlaeError, Backend, Checkpoint, Config, load_backend, load_checkpoint
from alae_core.config import make_config
from alae_core.official import NETWORKS, import_official, names, read_models

#: of each number
OUTPUTS = {"rtol": 1e-4, "atol": 1e-4}
#: of each loss, and of the norm of a gradient
LOSSES = {"rtol": 1e-4, "atol": 0.0}
#: ‖ours − theirs‖ in parts of ‖theirs‖, of what training adds to a tensor
DISPLACEMENT = 1e-3

#: our networks by the names under "after" in a record
_AFTER = {"F": "mapping_f", "D": "mapping_d", "G": "decoder", "E": "encoder"}
_LOSSES = {"discriminator": "loss_d", "generator": "loss_g", "reciprocity": "loss_ae"}
#: steps of a fade in the growth schedule that records of training are replayed in: any blend is at some step, and
#: hardly another one at the next
_FADE = 10**9

Arrays = dict[str, np.ndarray]


@dataclass
class Row:
    """How far one quantity is from the record: the largest error, and the largest in parts of its limit."""

    quantity: str
    compared: int = 0
    error: float = 0.0
    of_limit: float = 0.0

    def numbers(self, found: Any, recorded: Any, *, rtol: float, atol: float) -> None:
        """Compare number by number, each with the limit atol + rtol · |recorded|."""
        found, recorded = np.asarray(found, np.float64), np.asarray(recorded, np.float64)
        if found.shape != recorded.shape:
            raise AlaeError(f"{self.quantity} has shape {found.shape}, but {recorded.shape} in the record")
        self.compared += found.size
        self._add(np.abs(found - recorded), atol + rtol * np.abs(recorded))

    def displacement(self, found: np.ndarray, recorded: np.ndarray) -> None:
        """Compare what training has added to a tensor, with the limit `DISPLACEMENT` · ‖recorded‖."""
        self.compared += 1
        self._add(np.linalg.norm(found - recorded), DISPLACEMENT * np.linalg.norm(recorded))

    def _add(self, errors: Any, limits: Any) -> None:
        # 0 of 0 is on the limit's right side; NumPy's maximum, unlike Python's, keeps a NaN.
        parts = np.where(errors == 0, 0.0, np.divide(errors, np.maximum(limits, 1e-300)))
        self.error = float(np.maximum(self.error, np.max(errors, initial=0.0)))
        self.of_limit = float(np.maximum(self.of_limit, np.max(parts, initial=0.0)))


class Undecided(NamedTuple):
    """A tensor whose displacement rounding decides: the order of the images in a batch changes it beyond its limit."""

    weight: str
    error: float  # ‖ours − theirs‖ / ‖theirs‖
    reordered: float  # ‖ours − ours with the batch in another order‖ / ‖theirs‖


@dataclass
class Parity:
    """All that was compared."""

    rows: dict[str, Row] = field(default_factory=dict)
    undecided: list[Undecided] = field(default_factory=list)

    def __getitem__(self, quantity: str) -> Row:
        return self.rows.setdefault(quantity, Row(quantity))

    @property
    def holds(self) -> bool:
        """Whether every error is within its limit."""
        return all(row.of_limit <= 1 for row in self.rows.values())

    def markdown(self) -> str:
        """A table, and what could not be compared."""
        lines = ["| quantity | compared | largest error | largest error / limit |", "| --- | --- | --- | --- |"]
        lines += [
            f"| {row.quantity} | {row.compared:,} | {row.error:.1e} | {row.of_limit:.3f} |"
            for row in self.rows.values()
        ]
        if self.undecided:
            lines += ["", "Not comparable, because rounding decides where training moves them:", ""]
        lines += [
            f"- `{weight}`: error {error:.3f} of its displacement; the batch in another order changes {reordered:.3f}"
            for weight, error, reordered in self.undecided
        ]
        return "\n".join(lines)


def parity(file: Path, record: Path, backend: Backend) -> Parity:
    """Import the authors' checkpoint `file` and compare every quantity in `record` with what `backend` makes of it.

    Raises CheckpointError where `file` is no checkpoint of theirs, AlaeError where `record` lacks what it should hold.
    """
    result = Parity()
    try:
        with np.load(record) as content:
            arrays = {key: content[key] for key in content.files}
    except (OSError, ValueError) as error:
        raise AlaeError(f"{record} cannot be read: {error}") from error
    with TemporaryDirectory() as directory:
        imported = import_official(file, Path(directory, "run"))
        trained, averaged = load_checkpoint(imported), load_checkpoint(imported, averaged=True)
    try:
        _compare_outputs(result, arrays, trained, averaged)
        _compare_training(result, arrays, trained, file, backend)
    except KeyError as error:
        raise AlaeError(f"{record} is no record of {file}: it has no {error}") from error
    return result


def _compare_outputs(result: Parity, record: Arrays, trained: Checkpoint, averaged: Checkpoint) -> None:
    alae, mean = trained.model, averaged.model
    w = alae.map(record["z"])
    result["F(z)"].numbers(w, record["F(z)"], **OUTPUTS)
    truncated = mean.truncate(mean.map(record["z"]))
    for at, lod, blend in _levels(record, r"lod(\d+)/blend([\d.]+)/"):
        x, noise = _nhwc(record[f"lod{lod}/x"]), _noise(record, f"{at}noise", 0, lod)
        codes = alae.encode(x, lod, blend)
        result["E(x)"].numbers(codes, record[f"{at}E(x)"], **OUTPUTS)
        result["D(E(x))"].numbers(alae.discriminate(codes), record[f"{at}D(E(x))"], **OUTPUTS)

        def images(quantity: str, found: np.ndarray, key: str, at: str = at) -> None:
            result[quantity].numbers(found, _nhwc(record[at + key]), **OUTPUTS)

        images("G(F(z)), noise as recorded", alae.generate(w, lod, blend, noise), "G(F(z))")
        images("G(F(z)), the authors' noise off", alae.generate(w, lod, blend, "bump"), "G(F(z)) noise=off")
        images("averaged networks, truncated", mean.generate(truncated, lod, blend, noise), "EMA truncated G")
        if f"{at}G(E(x))" in record:
            images("G(E(x))", alae.reconstruct(x, lod, blend, noise), "G(E(x))")
        for key in [key.removeprefix(at) for key in record if key.startswith(f"{at}style mix cutoff")]:
            layers, cutoff = np.arange(2 * (lod + 1))[:, None], int(key.removeprefix("style mix cutoff"))
            styles = np.where(layers < cutoff, w[:, None], alae.map(record["z2"])[:, None])
            images("styles mixed", alae.generate(styles, lod, blend, noise), key)


def _compare_training(result: Parity, record: Arrays, start: Checkpoint, file: Path, backend: Backend) -> None:
    levels = list(_levels(record, r"train/lod(\d+)/blend([\d.]+)/"))
    if not levels:
        return
    models, config = read_models(file), _schedule(start.config, len(record[f"lod{levels[0][1]}/x"]))
    replay = _Replay(record, start, config, backend)
    for at, lod, blend in levels:
        title = f"training at lod {lod}, blend {blend:g}: "
        result[f"{title}norm of the gradient of E"].numbers(
            replay.gradient_norm(at, lod, blend), record[f"{at}grad_E_norm"], **LOSSES
        )
        losses, moved, mean = replay.train(at, lod, blend)
        for name, found in losses.items():
            result[f"{title}losses"].numbers(found, record[f"{at}{name}"], **LOSSES)
        if not any(key.startswith(f"{at}after/") for key in record):
            continue
        theirs = _displacements(record, f"{at}after/", models, config)
        batch = np.arange(len(record[f"lod{lod}/x"]))
        others = [replay.train(at, lod, blend, order)[1] for order in (batch[::-1], np.roll(batch, 1))]
        for name, displacement in theirs.items():
            norm = np.linalg.norm(displacement)
            reordered = max(float(np.linalg.norm(other[name] - moved[name])) for other in others)
            if norm and reordered > DISPLACEMENT * norm:
                error = float(np.linalg.norm(moved[name] - displacement) / norm)
                result.undecided.append(Undecided(name, error, float(reordered / norm)))
            else:
                result[f"{title}displacement of each weight"].displacement(moved[name], displacement)
        key = "dlatent_avg.buff"
        theirs_mean = record[f"{at}after/{key}"][0].astype(np.float64) - models["dlatent_avg"]["buff"][0]
        result[f"{title}displacement of the mean of w"].displacement(mean, theirs_mean)


class _Replay:
    """The recorded iterations, run by a backend's runner in a growth schedule that is where the record says."""

    def __init__(self, record: Arrays, start: Checkpoint, config: Config, backend: Backend) -> None:
        from alae_core import build

        self.record, self.state = record, start.state
        self.alae = build(config)
        self.runner = backend.runner(self.alae, config)

    def gradient_norm(self, at: str, lod: int, blend: float) -> float:
        """‖∂/∂E of the discriminator's first loss‖, for weights as the authors hold them: times their constant."""
        self._rewind(lod, blend)
        x = _nhwc(self.record[f"lod{lod}/x"])
        gradients = self.runner.gradients("discriminator", x, self._draws(at, 0, lod), blend=blend)
        ours = [gradient / self.alae.scales[name] for name, gradient in gradients.items() if name.startswith("E/")]
        return float(np.sqrt(sum(np.square(gradient.astype(np.float64)).sum() for gradient in ours)))

    def train(
        self, at: str, lod: int, blend: float, order: Any = slice(None)
    ) -> tuple[dict[str, float], Arrays, np.ndarray]:
        """The losses by the record's names, each weight's displacement, and that of the running mean of w.

        `order` is that of the images within the batch, and of what is drawn for them.
        """
        self._rewind(lod, blend)
        images = _unfaded(_nhwc(self.record[f"lod{lod}/x"]), lod, blend)[order]
        losses: dict[str, float] = {}
        for iteration in sorted({int(found[1]) for key in self.record if (found := re.match(rf"{at}it(\d+)/", key))}):
            step = self.runner.step(images, draws=self._draws(at, iteration, lod, order))
            losses |= {f"it{iteration}/{theirs}": step[ours] for ours, theirs in _LOSSES.items()}
        after = self.runner.state()
        moved = {
            name: after[f"weights/{name}"] - self.state[f"weights/{name}"].astype(np.float64)
            for name in self.alae.variables
        }
        return losses, moved, after["w_mean"] - self.state["w_mean"].astype(np.float64)

    def _rewind(self, lod: int, blend: float) -> None:
        self.runner.load(self.state | {"step": np.array(_step_at(lod, blend), np.int64)})

    def _draws(self, at: str, iteration: int, lod: int, order: Any = slice(None)) -> dict[str, Any]:
        from alae_core.latents import Draws

        each = 1 + 2 * (lod + 1)
        firsts = {name: (3 * iteration + i) * each for i, name in enumerate(_LOSSES)}
        return {
            name: Draws(
                self.record[f"{at}draw{first}"][order],
                noise=[m if len(m) == 1 else m[order] for m in _noise(self.record, f"{at}draw", first + 1, lod)],
            )
            for name, first in firsts.items()
        }


def _schedule(config: Config, batch_size: int) -> Config:
    # Half of a level is its fade.
    level = {"images": 2 * _FADE * batch_size, "batch_size": batch_size, "fade": 0.5}
    data = config.model_dump(mode="json")
    return make_config(data | {"growth": {"levels": [level] * config.lods}})


def _step_at(lod: int, blend: float) -> int:
    """Where `_schedule` has faded level `lod` in as far as `blend`."""
    return 2 * _FADE * lod + round(_FADE * acos(1 - 2 * blend) / pi)


def _unfaded(x: np.ndarray, lod: int, blend: float) -> np.ndarray:
    """Images that `growth.real_images` fades into `x`: the authors' step was given x, ours fades what it is given."""
    if lod == 0 or blend in (0, 1):
        return x  # at 0 only the level below is looked at, and that is the same in both
    count, size, _, channels = x.shape
    below = x.reshape(count, size // 2, 2, size // 2, 2, channels).mean((2, 4)).repeat(2, 1).repeat(2, 2)
    return below + (x - below) / np.float32(blend)


def _displacements(record: Arrays, at: str, models: dict[str, Arrays], config: Config) -> Arrays:
    """What the recorded training added to each tensor, by our names and in our scale."""
    return {
        ours: read(record[f"{at}{_AFTER[network]}.{theirs}"].astype(np.float64))
        - read(models[NETWORKS[network]][theirs].astype(np.float64))
        for network in NETWORKS
        for ours, (theirs, _, read) in names(network, config).items()
    }


def _levels(record: Arrays, pattern: str) -> Iterator[tuple[str, int, float]]:
    found = {match[0]: match for key in record if (match := re.match(pattern, key))}
    for at in sorted(found, key=lambda at: (int(found[at][1]), -float(found[at][2]))):
        yield at, int(found[at][1]), float(found[at][2])


def _noise(record: Arrays, prefix: str, first: int, lod: int) -> list[np.ndarray]:
    return [_nhwc(record[f"{prefix}{first + layer}"]) for layer in range(2 * (lod + 1))]


def _nhwc(images: np.ndarray) -> np.ndarray:
    return images.transpose(0, 2, 3, 1)


def main() -> None:
    """Print the table; exit code 1 where an error is beyond its limit, 2 where a file cannot be read."""
    parser = argparse.ArgumentParser(
        prog="python -m alae_workbench.evaluation.parity", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("file", type=Path, help="a checkpoint of the authors' code (.pth)")
    parser.add_argument("record", type=Path, help="what their code gave with it (.npz)")
    parser.add_argument("--backend", required=True, help="jax, torch, tensorflow or another plug-in")
    arguments = parser.parse_args()
    try:
        result = parity(arguments.file, arguments.record, load_backend(arguments.backend))
    except AlaeError as error:
        print(f"parity: {error}", file=sys.stderr)
        sys.exit(2)
    print(result.markdown())
    sys.exit(0 if result.holds else 1)


if __name__ == "__main__":
    main()
