"""Parity with the authors' own code: a checkpoint of theirs, and numbers that their code gave with it.

    python -m alae_workbench.exchange.parity FILE.pth RECORD.npz --backend torch

`docs/parity.md` says what a record holds and what the limits mean. Every number is computed by what a user calls: the
checkpoint is imported, loaded and asked; training is `Runner.step`.
"""

import argparse
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from math import acos, pi
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from alae_core import AlaeError, Backend, Checkpoint, Config, View, load_backend, load_checkpoint
from alae_core.config import make_config
from alae_workbench.exchange.official import NETWORKS, config_of, import_official, official_tensors, read_models

if TYPE_CHECKING:
    # It imports Keras, which has to wait for the backend asked for.
    from alae_core import Alae

#: of each number of an output
OUTPUTS = {"rtol": 1e-4, "atol": 1e-4}
#: of the norm of each quantity of training, ‖ours − theirs‖ in parts of ‖theirs‖
TRAINING = {
    "norm of the gradient of E": 1e-4,
    "losses": 1e-4,
    "displacement of each weight": 1e-3,
    "displacement of the mean of w": 1e-3,
}
#: how often training is repeated from weights nudged by a rounding, to see what rounding decides: a kink that one
#: nudge in four crosses stays unseen once in 300 times
_NUDGES = 20
#: an error so many times as large as what nudges change is no matter of rounding
_EXPLAINED = 10

#: our networks by the names under "after" in a record
_AFTER = {"F": "mapping_f", "D": "mapping_d", "G": "decoder", "E": "encoder"}
_LOSSES = {"discriminator": "loss_d", "generator": "loss_g", "reciprocity": "loss_ae"}
#: steps of a fade in the growth schedule that records of training are replayed in: any blend is at some step, and
#: hardly another one at the next
_FADE = 10**9
#: of each quantity that rounding decides, so many are printed
_SHOWN = 5

Arrays = dict[str, np.ndarray]
#: by quantity, and by which weight or loss
Training = dict[tuple[str, str], np.ndarray]
_GRADIENT, _LOSS, _WEIGHT, _MEAN = TRAINING


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

    def within(self, error: float, limit: float) -> None:
        """Count one thing more, of which its error and limit are known."""
        self.compared += 1
        self._add(error, limit)

    def _add(self, errors: Any, limits: Any) -> None:
        # 0 of 0 is on the limit's right side; NumPy's maximum, unlike Python's, keeps a NaN.
        parts = np.where(errors == 0, 0.0, np.divide(errors, np.maximum(limits, 1e-300)))
        self.error = float(np.maximum(self.error, np.max(errors, initial=0.0)))
        self.of_limit = float(np.maximum(self.of_limit, np.max(parts, initial=0.0)))


class Undecided(NamedTuple):
    """What rounding decides: its error is beyond the limit, and so is what a nudge of the weights changes in it.

    An error of more than `_EXPLAINED` times that is not excused.
    """

    quantity: str
    which: str  # a weight or an iteration's loss, if the quantity has several
    of_limit: float  # the error in parts of the limit
    nudged: float  # the largest change by a nudge, in parts of the limit


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
            lines += [
                "",
                "Not comparable, because rounding decides (error / limit, and what a rounding of the weights changes):",
                "",
            ]
        for quantity, group in groupby(self.undecided, lambda each: each.quantity):
            members = sorted(group, key=lambda each: -each.of_limit)
            shown = [f"{each.which} {each.of_limit:.3g}, {each.nudged:.3g}".strip() for each in members[:_SHOWN]]
            more = f"; and {len(members) - _SHOWN} more with smaller errors" if len(members) > _SHOWN else ""
            lines.append(f"- {quantity}: {'; '.join(shown)}{more}")
        return "\n".join(lines)


def parity(file: Path, record: Path, backend: str) -> Parity:
    """Import the authors' checkpoint `file` and compare every quantity in `record` with what a backend makes of it.

    Raises CheckpointError where `file` is no checkpoint of theirs, AlaeError where `record` lacks what it should hold,
    BackendError where the backend of that name cannot be had.
    """
    result, models = Parity(), read_models(file)
    plugin = load_backend(backend, precision=config_of(models).precision)
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
        _compare_training(result, arrays, checkpoint, models, plugin)
    except KeyError as error:
        raise AlaeError(f"{record} is no record of {file}: it has no {error}") from error
    return result


def _compare_outputs(result: Parity, record: Arrays, alae: "Alae", mean: "Alae") -> None:
    w = alae.map(record["z"])
    result["F(z)"].numbers(w, record["F(z)"], **OUTPUTS)
    truncated = mean.truncate(mean.map(record["z"]))
    for at, lod, blend in _levels(record, r"lod(\d+)/blend([\d.]+)/"):
        x, noise, view = _nhwc(record[f"lod{lod}/x"]), _noise(record, f"{at}noise", 0, lod), View(lod, blend)
        codes = alae.encode(x, view)
        result["E(x)"].numbers(codes, record[f"{at}E(x)"], **OUTPUTS)
        result["D(E(x))"].numbers(alae.discriminate(codes), record[f"{at}D(E(x))"], **OUTPUTS)

        def images(quantity: str, found: np.ndarray, key: str, at: str = at) -> None:
            result[quantity].numbers(found, _nhwc(record[at + key]), **OUTPUTS)

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
    levels = list(_levels(record, r"train/lod(\d+)/blend([\d.]+)/"))
    if not levels:
        return
    config = _schedule(start.config, len(record[f"lod{levels[0][1]}/x"]))
    replay = _Replay(record, start, config, backend)
    for at, lod, blend in levels:
        title = f"training at lod {lod}, blend {blend:g}"
        _judge(result, title, _recorded(record, at, models, config), partial(replay.train, at, lod, blend))


def _judge(result: Parity, title: str, expected: Training, train: Callable[[int | None], Training]) -> None:
    """Compare a training with what is recorded of it; `train(None)` does it, and with a number from nudged weights."""
    found = train(None)
    limits = {key: TRAINING[key[0]] * _norm(theirs) for key, theirs in expected.items()}
    errors = {key: _norm(found[key] - theirs) for key, theirs in expected.items()}
    # What theirs left alone must not have moved by a bit; nothing excuses it.
    excuses = {key: max(limits[key], error / _EXPLAINED) for key, error in errors.items() if error > limits[key] > 0}
    moved = dict.fromkeys(excuses, 0.0)
    for nudge in range(_NUDGES):
        if all(moved[key] >= excuse for key, excuse in excuses.items()):
            break
        nudged = train(nudge)
        moved = {key: max(before, _norm(nudged[key] - found[key])) for key, before in moved.items()}
    for key, error in errors.items():
        quantity, which = f"{title}: {key[0]}", key[1]
        if key in excuses and moved[key] >= excuses[key]:
            result.undecided.append(Undecided(quantity, which, error / limits[key], moved[key] / limits[key]))
        else:
            result[quantity].within(error, limits[key])


def _recorded(record: Arrays, at: str, models: dict[str, Arrays], config: Config) -> Training:
    """What the record holds of one training, by our names and in our scale."""
    found: Training = {(_GRADIENT, ""): record[f"{at}grad_E_norm"]}
    for iteration in _iterations(record, at):
        losses = [f"it{iteration}/{loss}" for loss in _LOSSES.values()]
        found |= {(_LOSS, name): record[at + name] for name in losses}
    if not any(key.startswith(f"{at}after/") for key in record):
        return found
    for network, theirs in NETWORKS.items():
        for ours, (name, _, read) in official_tensors(network, config).items():
            after, before = record[f"{at}after/{_AFTER[network]}.{name}"], models[theirs][name]
            found[_WEIGHT, f"`{ours}`"] = read(after.astype(np.float64)) - read(before.astype(np.float64))
    after, before = record[f"{at}after/dlatent_avg.buff"][0], models["dlatent_avg"]["buff"][0]
    return found | {(_MEAN, ""): after.astype(np.float64) - before}


class _Replay:
    """The recorded iterations, run by a backend's runner in a growth schedule that is where the record says."""

    def __init__(self, record: Arrays, start: Checkpoint, config: Config, backend: Backend) -> None:
        from alae_core import build

        self.record, self.state = record, start.state
        self.alae = build(config)
        self.runner = backend.runner(self.alae)

    def train(self, at: str, lod: int, blend: float, nudge: int | None = None) -> Training:
        """All that a record may hold of the training at one level.

        `nudge`, if given, is the seed of random numbers of the size of a rounding, which the weights are multiplied by.
        """
        state, x = self._start(lod, blend, nudge), _nhwc(self.record[f"lod{lod}/x"])
        self.runner.load(state)
        found: Training = {(_GRADIENT, ""): self._gradient_norm(x, self._draws(at, 0, lod), blend)}
        images = _unfaded(x, lod, blend)
        for iteration in _iterations(self.record, at):
            step = self.runner.step(images, draws=self._draws(at, iteration, lod))
            found |= {(_LOSS, f"it{iteration}/{theirs}"): np.array(step[ours]) for ours, theirs in _LOSSES.items()}
        after = self.runner.state()
        for name in self.alae.variables:
            moved = after[f"weights/{name}"] - state[f"weights/{name}"].astype(np.float64)
            found[_WEIGHT, f"`{name}`"] = moved
        return found | {(_MEAN, ""): after["w_mean"] - state["w_mean"].astype(np.float64)}

    def _gradient_norm(self, x: np.ndarray, draws: dict[str, Any], blend: float) -> np.ndarray:
        """‖∂/∂E of the discriminator's first loss‖, for weights as the authors hold them: times their constant."""
        gradients = self.runner.gradients("discriminator", x, draws, blend=blend)
        ours = [gradient / self.alae.scales[name] for name, gradient in gradients.items() if name.startswith("E/")]
        return np.sqrt(sum(np.square(gradient.astype(np.float64)).sum() for gradient in ours))

    def _start(self, lod: int, blend: float, nudge: int | None) -> Arrays:
        state = {**self.state, "step": np.array(_step_at(lod, blend), np.int64)}
        if nudge is None:
            return state
        rng = np.random.default_rng(nudge)
        rounding = np.finfo(self.alae.config.dtype).eps
        # Sorted: safetensors gives its arrays in another order in each process.
        weights = {name: state[name] for name in sorted(state) if name.startswith("weights/")}
        return state | {
            name: (array * (1 + rounding * rng.standard_normal(array.shape))).astype(array.dtype)
            for name, array in weights.items()
        }

    def _draws(self, at: str, iteration: int, lod: int) -> dict[str, Any]:
        from alae_core.draws import Draws

        each = 1 + 2 * (lod + 1)
        firsts = {name: (3 * iteration + i) * each for i, name in enumerate(_LOSSES)}
        return {
            name: Draws(self.record[f"{at}draw{first}"], noise=_noise(self.record, f"{at}draw", first + 1, lod))
            for name, first in firsts.items()
        }


def _schedule(config: Config, batch_size: int) -> Config:
    # Half of a level is its fade.
    level = {"images": 2 * _FADE * batch_size, "batch_size": batch_size, "fade": 0.5}
    return make_config(config.data() | {"growth": {"levels": [level] * config.lods}})


def _step_at(lod: int, blend: float) -> int:
    """Where `_schedule` has faded level `lod` in as far as `blend`."""
    return 2 * _FADE * lod + round(_FADE * acos(1 - 2 * blend) / pi)


def _unfaded(x: np.ndarray, lod: int, blend: float) -> np.ndarray:
    """Images that `Styles.faded` makes `x` of: the authors' step was given x, ours fades what it is given."""
    if lod == 0 or blend in (0, 1):
        return x  # at 0 only the level below is looked at, and that is the same in both
    count, size, _, channels = x.shape
    below = x.reshape(count, size // 2, 2, size // 2, 2, channels).mean((2, 4)).repeat(2, 1).repeat(2, 2)
    return below + (x - below) / x.dtype.type(blend)


def _levels(record: Arrays, pattern: str) -> Iterator[tuple[str, int, float]]:
    found = {match[0]: match for key in record if (match := re.match(pattern, key))}
    for at in sorted(found, key=lambda at: (int(found[at][1]), -float(found[at][2]))):
        yield at, int(found[at][1]), float(found[at][2])


def _iterations(record: Arrays, at: str) -> list[int]:
    """The numbers of a training's recorded iterations, in order."""
    return sorted({int(match[1]) for key in record if (match := re.match(rf"{at}it(\d+)/", key))})


def _noise(record: Arrays, prefix: str, first: int, lod: int) -> list[np.ndarray]:
    return [_nhwc(record[f"{prefix}{first + layer}"]) for layer in range(2 * (lod + 1))]


def _norm(array: np.ndarray) -> float:
    return float(np.linalg.norm(array))


def _nhwc(images: np.ndarray) -> np.ndarray:
    return images.transpose(0, 2, 3, 1)


def main() -> None:
    """Print the table; exit code 1 where an error is beyond its limit, 2 where a file cannot be read."""
    parser = argparse.ArgumentParser(
        prog="python -m alae_workbench.exchange.parity", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("file", type=Path, help="a checkpoint of the authors' code (.pth)")
    parser.add_argument("record", type=Path, help="what their code gave with it (.npz)")
    parser.add_argument("--backend", required=True, help="jax, torch, tensorflow or another plug-in")
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
