"""Parity with the authors' code: compares an imported checkpoint with numbers that their code computed from it.

    python -m alae_workbench.exchange.parity FILE.pth RECORD.npz --backend torch

`docs/parity.md` describes records and limits. All numbers are computed through the public functions: the checkpoint is
imported, loaded and evaluated, and training is `Runner.step`.
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from alae_core import AlaeError, Backend, Checkpoint, View, load_backend, load_checkpoint
from alae_workbench.exchange.official import config_of, import_official, read_models
from alae_workbench.exchange.replay import (
    TRAINING,
    Arrays,
    Replay,
    Training,
    list_levels,
    norm,
    read_noise,
    read_training,
    replay_schedule,
    to_nhwc,
)

if TYPE_CHECKING:
    # This module imports Keras, so it is imported only after the backend has chosen the framework.
    from alae_core import Alae

#: tolerances of each number of an output
OUTPUTS = {"rtol": 1e-4, "atol": 1e-4}
#: repetitions from nudged weights, to detect quantities determined by rounding; a kink that one nudge in four crosses
#: is missed once in 300 times
_NUDGES = 20
#: an error this many times as large as the change by a nudge is not caused by rounding
_EXPLAINED = 10
#: quantities determined by rounding that are listed, per kind
_SHOWN = 5


@dataclass
class Row:
    """One quantity: its largest error, and its largest error / limit."""

    quantity: str
    compared: int = 0
    error: float = 0.0
    of_limit: float = 0.0

    def compare(self, found: Any, recorded: Any, *, rtol: float, atol: float) -> None:
        """Compare each number with the limit atol + rtol · |recorded|. Raises AlaeError if the shapes differ."""
        found, recorded = np.asarray(found, np.float64), np.asarray(recorded, np.float64)
        if found.shape != recorded.shape:
            raise AlaeError(f"{self.quantity} has shape {found.shape}, but {recorded.shape} in the record")
        self.compared += found.size
        self._add(np.abs(found - recorded), atol + rtol * np.abs(recorded))

    def add_error(self, error: float, limit: float) -> None:
        """Add a comparison, given its error and limit."""
        self.compared += 1
        self._add(error, limit)

    def _add(self, errors: Any, limits: Any) -> None:
        # An error of 0 is within a limit of 0. NumPy's maximum, unlike Python's, keeps a NaN.
        parts = np.where(errors == 0, 0.0, np.divide(errors, np.maximum(limits, 1e-300)))
        self.error = float(np.maximum(self.error, np.max(errors, initial=0.0)))
        self.of_limit = float(np.maximum(self.of_limit, np.max(parts, initial=0.0)))


class Undecided(NamedTuple):
    """A quantity determined by rounding: its error and its change by a nudge of the weights both exceed the limit.

    An error of more than `_EXPLAINED` times that change is a failure instead.
    """

    quantity: str
    which: str  # the weight, or the loss of an iteration; "" if the kind has only one quantity
    of_limit: float  # error / limit
    nudged: float  # largest change by a nudge / limit


@dataclass
class Parity:
    """The result of all comparisons."""

    rows: dict[str, Row] = field(default_factory=dict)
    undecided: list[Undecided] = field(default_factory=list)

    def __getitem__(self, quantity: str) -> Row:
        return self.rows.setdefault(quantity, Row(quantity))

    @property
    def holds(self) -> bool:
        """Whether every error is within its limit."""
        return all(row.of_limit <= 1 for row in self.rows.values())

    def markdown(self) -> str:
        """Return a table, and a list of the quantities determined by rounding."""
        lines = ["| quantity | compared | largest error | largest error / limit |", "| --- | --- | --- | --- |"]
        lines += [
            f"| {row.quantity} | {row.compared:,} | {row.error:.1e} | {row.of_limit:.3f} |"
            for row in self.rows.values()
        ]
        if self.undecided:
            lines += [
                "",
                "Not comparable, because rounding determines them (error / limit, and change by a nudge / limit):",
                "",
            ]
        for quantity, group in groupby(self.undecided, lambda entry: entry.quantity):
            members = sorted(group, key=lambda entry: -entry.of_limit)
            shown = [f"{entry.which} {entry.of_limit:.3g}, {entry.nudged:.3g}".strip() for entry in members[:_SHOWN]]
            more = f"; and {len(members) - _SHOWN} more with smaller errors" if len(members) > _SHOWN else ""
            lines.append(f"- {quantity}: {'; '.join(shown)}{more}")
        return "\n".join(lines)


def parity(file: Path, record: Path, backend: str) -> Parity:
    """Import the authors' checkpoint `file`, and compare every quantity in `record` with a backend's.

    Raises CheckpointError if `file` is not a checkpoint of theirs, AlaeError if `record` is incomplete, and
    BackendError if the backend cannot be loaded.
    """
    result, models = Parity(), read_models(file)
    opened = load_backend(backend, precision=config_of(models).precision)
    try:
        with np.load(record) as content:
            arrays = {key: content[key] for key in content.files}
    except (OSError, ValueError) as error:
        raise AlaeError(f"{record} cannot be read: {error}") from error
    with TemporaryDirectory() as directory:
        imported = import_official(file, Path(directory, "run"))
        checkpoint = load_checkpoint(imported)
    try:
        _compare_outputs(result, arrays, checkpoint.model(averaged=False), checkpoint.model())
        _compare_training(result, arrays, checkpoint, models, opened)
    except KeyError as error:
        raise AlaeError(f"{record} is not a record of {file}: it lacks {error}") from error
    return result


def _compare_outputs(result: Parity, record: Arrays, alae: "Alae", mean: "Alae") -> None:
    w = alae.map(record["z"])
    result["F(z)"].compare(w, record["F(z)"], **OUTPUTS)
    truncated = mean.truncate(mean.map(record["z"]))
    for at, lod, blend in list_levels(record, r"lod(\d+)/blend([\d.]+)/"):
        x, noise, view = to_nhwc(record[f"lod{lod}/x"]), read_noise(record, f"{at}noise", 0, lod), View(lod, blend)
        codes = alae.encode(x, view)
        result["E(x)"].compare(codes, record[f"{at}E(x)"], **OUTPUTS)
        result["D(E(x))"].compare(alae.discriminate(codes), record[f"{at}D(E(x))"], **OUTPUTS)

        def images(quantity: str, found: np.ndarray, key: str, at: str = at) -> None:
            result[quantity].compare(found, to_nhwc(record[at + key]), **OUTPUTS)

        images("G(F(z)), noise as recorded", alae.generate(w, view, noise=noise), "G(F(z))")
        images("G(F(z)), the authors' noise off", alae.generate(w, view, noise="bump"), "G(F(z)) noise=off")
        images("averaged networks, truncated", mean.generate(truncated, view, noise=noise), "EMA truncated G")
        if f"{at}G(E(x))" in record:
            images("G(E(x))", alae.reconstruct(x, view, noise=noise), "G(E(x))")
        for key in [key.removeprefix(at) for key in record if key.startswith(f"{at}style mix cutoff")]:
            layers, cutoff = np.arange(2 * (lod + 1))[:, None], int(key.removeprefix("style mix cutoff"))
            styles = np.where(layers < cutoff, w[:, None], alae.map(record["z2"])[:, None])
            images("styles mixed", alae.generate(styles, view, noise=noise), key)


def _compare_training(
    result: Parity, record: Arrays, start: Checkpoint, models: dict[str, Arrays], backend: Backend
) -> None:
    levels = list(list_levels(record, r"train/lod(\d+)/blend([\d.]+)/"))
    if not levels:
        return
    config = replay_schedule(start.config, len(record[f"lod{levels[0][1]}/x"]))
    replay = Replay(record, start, config, backend)
    for at, lod, blend in levels:
        title = f"training at lod {lod}, blend {blend:g}"
        _judge(result, title, read_training(record, at, models, config), partial(replay.train, at, lod, blend))


def _judge(result: Parity, title: str, expected: Training, train: Callable[[int | None], Training]) -> None:
    """Compare a training with the record. `train(None)` repeats it; `train(seed)` repeats it from nudged weights."""
    found = train(None)
    limits = {key: TRAINING[key[0]] * norm(theirs) for key, theirs in expected.items()}
    errors = {key: norm(found[key] - theirs) for key, theirs in expected.items()}
    # A weight that the authors' code did not change must not change at all: rounding is not an excuse.
    excuses = {key: max(limits[key], error / _EXPLAINED) for key, error in errors.items() if error > limits[key] > 0}
    moved = dict.fromkeys(excuses, 0.0)
    for nudge in range(_NUDGES):
        if all(moved[key] >= excuse for key, excuse in excuses.items()):
            break
        nudged = train(nudge)
        moved = {key: max(before, norm(nudged[key] - found[key])) for key, before in moved.items()}
    for key, error in errors.items():
        quantity, which = f"{title}: {key[0]}", key[1]
        if key in excuses and moved[key] >= excuses[key]:
            result.undecided.append(Undecided(quantity, which, error / limits[key], moved[key] / limits[key]))
        else:
            result[quantity].add_error(error, limits[key])


def main() -> None:
    """Print the table; exit code 1 if an error exceeds its limit, 2 if a file cannot be read."""
    parser = argparse.ArgumentParser(
        prog="python -m alae_workbench.exchange.parity", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("file", type=Path, help="checkpoint of the authors' code (.pth)")
    parser.add_argument("record", type=Path, help="numbers that their code computed from it (.npz)")
    parser.add_argument("--backend", required=True, help="jax, torch, tensorflow or another installed backend")
    arguments = parser.parse_args()
    try:
        result = parity(arguments.file, arguments.record, arguments.backend)
    except AlaeError as error:
        print(f"parity: {error}", file=sys.stderr)
        sys.exit(2)
    print(result.markdown())
    sys.exit(0 if result.holds else 1)


if __name__ == "__main__":
    main()
