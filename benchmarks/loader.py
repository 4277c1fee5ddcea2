"""Compare preparing, loading and training with loops that do nothing else, and measure peak memory.

    python -m benchmarks.loader [--images 10000] [--rounds 3] [--quick]  preparing, and loading
    python -m benchmarks.loader --training [--backend jax …]             `alae train` and a loop of bare steps
    python -m benchmarks.loader --memory [--megabytes 200 2000]          peak memory; 2000 needs 8 GB of disk

The images are random PNG files of 128×128 in a temporary directory. Preparing uses two processes; the reference is two
processes that decode, resize and encode each file. Loading uses one process; the reference is one process that decodes.
Training covers one period of reports, grids and checkpoints.
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
from alae_workbench.data.prepared.preparation import plan_preparation
from alae_workbench.data.prepared.reading import open_set
from alae_workbench.data.prepared.writing import write_set
from alae_workbench.runs.settings import load_experiment
from benchmarks import turns

_SIDE = 128
_PROCESSES = 2


def main() -> None:
    """Run the measurements that the options select, and print a table."""
    parser = turns.parser(__doc__.splitlines()[0], rounds=3)
    parser.add_argument("--images", type=int, default=10_000, help="images to prepare and load (default 10000)")
    parser.add_argument("--training", action="store_true", help="measure training of mnist-mlp on random images")
    parser.add_argument("--period", type=int, help="steps between checkpoints with --training (default: the preset's)")
    parser.add_argument("--memory", action="store_true", help="measure peak memory")
    parser.add_argument(
        "--megabytes", type=int, nargs="+", default=[200, 2000], help="sizes of the data set with --memory, as pixels"
    )
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.images, options.period, options.megabytes = 1, 32, 2, [8]
    if options.training:
        turns.run("benchmarks.loader", options, training, reference="bare steps")
    elif options.memory:
        memory(options.megabytes, steps=2 if options.quick else 200)
    else:
        turns.print_header(options.rounds, reference="bare loop")
        streams(options.images, options.rounds)


# ---- preparing and loading -------------------------------------------------------------------------------------------


def streams(count: int, rounds: int) -> None:
    """Print the rows of preparing and of loading `count` images."""
    with TemporaryDirectory() as directory:
        folder, prepared = Path(directory, "files"), Path(directory, "set")
        files = _generate(folder, count)

        def prepare() -> float:
            rmtree(prepared, ignore_errors=True)
            return _seconds(lambda: write_set(plan_preparation(str(folder), prepared), workers=_PROCESSES))

        def transcode() -> float:
            with get_context("forkserver").Pool(_PROCESSES) as pool:
                return _seconds(lambda: _exhaust(pool.imap(_transcode, files, chunksize=16)))

        turns.take_turns("", "preparing", rounds, prepare, transcode)
        source = open_set(prepared).images
        config = alae.load_config("digits-mlp", {"image": [_SIDE, _SIDE, 3], "batch_size": 32})
        steps = count // config.batch_size

        def load() -> float:
            return _seconds(lambda: _exhaust(batches(source, config, steps=steps, put=lambda images, _: len(images))))

        def decode() -> float:
            decoded = (np.asarray(Image.open(file)) for file in files[: steps * config.batch_size])
            return _seconds(lambda: _exhaust(decoded))

        turns.take_turns("", "loading", rounds, load, decode)


def _generate(folder: Path, count: int) -> list[Path]:
    """Write `count` PNG files that take about as long to decode as photos: smooth, with a little noise."""
    folder.mkdir()
    files, random = [folder / f"{index:06d}.png" for index in range(count)], np.random.default_rng(0)
    for file in files:
        smooth = Image.fromarray(random.integers(0, 256, (8, 8, 3), np.uint8)).resize((_SIDE, _SIDE))
        noisy = np.clip(np.asarray(smooth) + random.integers(-4, 5, (_SIDE, _SIDE, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(file, compress_level=1)
    return files


def _transcode(file: Path) -> int:
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
    """Times at which the reports of two steps arrive, in seconds."""

    def __init__(self, first: int, last: int) -> None:
        self._steps, self.times = (first, last), dict[int, float]()

    def on_report(self, report: "bench.observers.Report") -> None:
        """See `Observer`."""
        if report.step in self._steps:
            self.times[report.step] = time.perf_counter()


def training(options: argparse.Namespace, backend: str) -> None:
    """Print the row of one backend."""
    images = np.random.default_rng(0).integers(0, 256, (20_000, 28, 28, 1), np.uint8)
    experiment, opened = load_experiment("mnist-mlp"), alae.load_backend(backend)
    period = options.period or experiment.training.checkpoint_every
    first = min(experiment.training.report_every, period)
    last = first + period
    runner = opened.runner(alae.build(experiment.config))
    puts = [runner.put(images[128 * i : 128 * (i + 1)]) for i in range(16)]

    def train() -> float:
        watch = _Period(first, last)
        with TemporaryDirectory() as directory:
            bench.train(
                "mnist-mlp",
                data=bench.Arrays(images),
                steps=last,
                overrides={
                    "training.held_out": 1000,
                    "training.report_every": first,
                    "training.checkpoint_every": period,
                },
                backend=opened,
                out=Path(directory, "run"),
                observers=[watch],
            )
        return (watch.times[last] - watch.times[first]) / period

    def bare(steps: int = period // 2) -> float:
        started = time.perf_counter()
        for step in range(steps):
            losses = runner.step(puts[step % len(puts)])
        dict(losses)
        return (time.perf_counter() - started) / steps

    bare(3)
    turns.take_turns(backend, "training", options.rounds, train, bare)


# ---- memory ----------------------------------------------------------------------------------------------------------


def memory(megabytes: Sequence[int], steps: int) -> None:
    """Print the peak memory of preparing and of training, of their largest process, per size of the data set."""
    print(f"{'':10}{'images':>10}{'preparing':>14}{'training':>14}")
    for size in megabytes:
        count = size * 10**6 // (3 * _SIDE**2)
        with TemporaryDirectory() as directory:
            _generate(Path(directory, "files"), count)
            preparing = _peak("data", "prepare", "files", "set", "--workers", str(_PROCESSES), cwd=directory)
            settings = [
                f"image=[{_SIDE},{_SIDE},3]",
                "batch_size=32",
                "networks.G.hidden=[16]",
                "networks.E.hidden=[16]",
            ]
            settings += ["training.held_out=100", f"training.steps={steps}"]
            options = [word for setting in settings for word in ("--set", setting)]
            training = _peak(
                "train", "--data", "set", "--preset", "digits-mlp", *options, "--out", "run", cwd=directory
            )
        print(f"{size:7} MB{count:10,}{preparing / 1e6:11.0f} MB{training / 1e6:11.0f} MB", flush=True)


def _peak(*words: str, cwd: str) -> int:
    """Call `alae` and return the peak memory of its largest process, in bytes."""
    with Path(os.devnull).open("w", encoding="utf-8") as discarded:
        started = subprocess.Popen([sys.executable, "-m", "alae_cli", *words], cwd=cwd, stdout=discarded)
        _, status, usage = os.wait4(started.pid, 0)
    if status:
        sys.exit(f"alae {' '.join(words)} failed")
    return usage.ru_maxrss * 1024


if __name__ == "__main__":
    main()
