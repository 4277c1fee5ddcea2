"""What preparing, loading and training cost beside loops that do nothing else, and how much memory they take.

    python -m benchmarks.loader [--images 10000] [--rounds 3]           preparing, and loading
    python -m benchmarks.loader --training [--backend jax …]            `alae train` beside a loop of bare steps
    python -m benchmarks.loader --memory [--megabytes 200 2000]         peaks; the last wants 8 GB of disk

Images are generated as PNG files of 128×128 in a directory that goes away again. Preparing is two processes', beside
two that decode, resize and encode each file; loading is one process's, beside one that decodes. Training is a whole
period of its reports, grids and checkpoints.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from io import BytesIO
from multiprocessing import get_context
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

import alae_core as alae
import alae_workbench as bench
from alae_workbench.data.batches import batches
from alae_workbench.data.prepared.reading import open_set
from alae_workbench.data.prepared.writing import preparation
from alae_workbench.runs.settings import load_experiment
from benchmarks import turns

_SIDE = 128
_PROCESSES = 2


def main() -> None:
    """Measure what is asked for and print a table."""
    parser = turns.parser(__doc__.splitlines()[0], rounds=3)
    parser.add_argument("--images", type=int, default=10_000, help="how many are prepared and loaded")
    parser.add_argument("--training", action="store_true", help="measure training, mnist-mlp on generated images")
    parser.add_argument("--memory", action="store_true", help="measure peaks of memory")
    parser.add_argument("--megabytes", type=int, nargs="+", default=[200, 2000], help="pixels of which --memory is")
    options = parser.parse_args()
    if options.training:
        turns.run("benchmarks.loader", options, training, theirs="bare steps")
    elif options.memory:
        memory(options.megabytes)
    else:
        turns.header(options.rounds, theirs="bare loop")
        streams(options.images, options.rounds)


# ---- preparing and loading -------------------------------------------------------------------------------------------


def streams(count: int, rounds: int) -> None:
    """Print the rows of preparing and of loading."""
    with TemporaryDirectory() as directory:
        folder, prepared = Path(directory, "files"), Path(directory, "set")
        files = _generate(folder, count)

        def prepare() -> float:
            rmtree(prepared, ignore_errors=True)
            return _seconds(lambda: preparation(str(folder), prepared).run(workers=_PROCESSES))

        def transcode() -> float:
            with get_context("forkserver").Pool(_PROCESSES) as pool:
                return _seconds(lambda: _exhaust(pool.imap(_transcoded, files, chunksize=16)))

        turns.take_turns("", "preparing", rounds, prepare, transcode)
        source = open_set(prepared)["images"]
        config = alae.load_config("digits-mlp", {"image": [_SIDE, _SIDE, 3], "batch_size": 32})
        steps = count // config.batch_size

        def load() -> float:
            return _seconds(lambda: _exhaust(batches(source, config, steps=steps, put=lambda images, _: len(images))))

        def decode() -> float:
            return _seconds(
                lambda: _exhaust(np.asarray(Image.open(file)) for file in files[: steps * config.batch_size])
            )

        turns.take_turns("", "loading", rounds, load, decode)


def _generate(folder: Path, count: int) -> list[Path]:
    """PNG files that take as long to decode as photos do: smooth, with a little noise."""
    folder.mkdir()
    files, random = [folder / f"{index:06d}.png" for index in range(count)], np.random.default_rng(0)
    for file in files:
        smooth = Image.fromarray(random.integers(0, 256, (8, 8, 3), np.uint8)).resize((_SIDE, _SIDE))
        noisy = np.clip(np.asarray(smooth) + random.integers(-4, 5, (_SIDE, _SIDE, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(file, compress_level=1)
    return files


def _transcoded(file: Path) -> int:
    encoded = BytesIO()
    Image.open(file).convert("RGB").resize((_SIDE, _SIDE), Image.Resampling.LANCZOS).save(encoded, "PNG")
    return encoded.tell()


def _exhaust(items: Iterable[object]) -> None:
    for _ in items:
        pass


def _seconds(do: Callable[[], object]) -> float:
    started = time.perf_counter()
    do()
    return time.perf_counter() - started


# ---- training --------------------------------------------------------------------------------------------------------


class _Period(bench.Observer):
    """Seconds from the first report to that of a whole period of checkpoints later."""

    def __init__(self, first: int, last: int) -> None:
        self._wanted, self.at = (first, last), dict[int, float]()

    def report(self, report: "bench.observers.Report") -> None:
        """See `Observer`."""
        if report.step in self._wanted:
            self.at[report.step] = time.perf_counter()


def training(options: argparse.Namespace, backend: str) -> None:
    """Print one backend's row."""
    images = np.random.default_rng(0).integers(0, 256, (20_000, 28, 28, 1), np.uint8)
    experiment, plugin = load_experiment("mnist-mlp"), alae.load_backend(backend)
    first, period = experiment.training.report_every, experiment.training.checkpoint_every
    last = first + period
    runner = plugin.runner(alae.build(experiment.config))
    puts = [runner.put(images[128 * i : 128 * (i + 1)]) for i in range(16)]

    def whole() -> float:
        watch = _Period(first, last)
        with TemporaryDirectory() as directory:
            given = {"data": bench.Arrays(images), "backend": plugin, "out": Path(directory, "run"), "steps": last}
            bench.train("mnist-mlp", overrides={"training.held_out": 1000}, observers=[watch], **given)
        return (watch.at[last] - watch.at[first]) / period

    def bare(steps: int = period // 2) -> float:
        started = time.perf_counter()
        for step in range(steps):
            losses = runner.step(puts[step % len(puts)])
        dict(losses)
        return (time.perf_counter() - started) / steps

    bare(3)
    turns.take_turns(backend, "training", options.rounds, whole, bare)


# ---- memory ----------------------------------------------------------------------------------------------------------


def memory(megabytes: Sequence[int]) -> None:
    """Print the peaks of preparing and of training on so many megabytes of pixels, of the largest process."""
    print(f"{'':10}{'images':>10}{'preparing':>14}{'training':>14}")
    for each in megabytes:
        count = each * 10**6 // (3 * _SIDE**2)
        with TemporaryDirectory() as directory:
            _generate(Path(directory, "files"), count)
            preparing = _peak("data", "prepare", "files", "set", "--workers", str(_PROCESSES), cwd=directory)
            small = ("networks.G.hidden=[16]", "networks.E.hidden=[16]", "training.held_out=100", "training.steps=200")
            chosen = [f"image=[{_SIDE},{_SIDE},3]", "batch_size=32", *small]
            given = ["--data", "set", "--preset", "digits-mlp", *(word for key in chosen for word in ("--set", key))]
            trained = _peak("train", *given, "--out", "run", cwd=directory)
        print(f"{each:7} MB{count:10,}{preparing / 1e6:11.0f} MB{trained / 1e6:11.0f} MB", flush=True)


def _peak(*words: str, cwd: str) -> int:
    """The bytes that the largest process of a call of `alae` had at its peak."""
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        started = subprocess.Popen([sys.executable, "-m", "alae_cli", *words], cwd=cwd, stdout=nowhere)
        _, status, usage = os.wait4(started.pid, 0)
    if status:
        sys.exit(f"alae {' '.join(words)} failed")
    return usage.ru_maxrss * 1024


if __name__ == "__main__":
    main()
