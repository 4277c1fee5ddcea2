"""Check and time the backends on a machine with one NVIDIA GPU, without network, in at most ten minutes.

    python -m benchmarks.gpu --wheels wheels --out reports/gpu

It runs, in order of importance: smoke conformance of JAX and PyTorch, training steps beside hand-written ones, and the
backends' tests. `results.md` and `results.json` are rewritten after each, so that nothing is lost if the process is
killed; each command's whole output is in a log. `--quick` rehearses all of it on a CPU with the smallest sizes.

Only the standard library is imported, because `--wheels` installs the rest: wheels of alae and of those of its
requirements that this Python lacks, into a folder of `--out` that only these commands see.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BACKENDS = ("jax", "torch")
#: seconds below which no further command starts
_LEAST = 15
#: the last lines of each command's output that results.md shows
_LINES = 12


@dataclass(frozen=True)
class Task:
    """One command: its name in the results, the words after `python -m`, and its most seconds."""

    name: str
    words: tuple[str, ...]
    seconds: int
    backend: str = ""

    @property
    def command(self) -> str:
        """The command as text."""
        return " ".join(["python", "-m", *self.words])


@dataclass(frozen=True)
class Result:
    """The outcome of a task; `code` is its exit code, None if it ran out of time or did not start."""

    name: str
    command: str
    code: int | None
    seconds: float
    lines: list[str]


def main() -> None:
    """Run all tasks within the time, and write the results after each; exit with 1 if any failed or is missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wheels", type=Path, help="folder of wheels to install first (default: install nothing)")
    parser.add_argument("--out", type=Path, default=Path("reports/gpu"), help="folder to write (default reports/gpu)")
    parser.add_argument("--minutes", type=float, default=9.5, help="time for everything (default 9.5)")
    parser.add_argument("--device", default="gpu", help="device to judge (default gpu)")
    parser.add_argument(
        "--quick", action="store_true", help="use the smallest sizes, on the CPU, to check that it runs"
    )
    options = parser.parse_args()

    end = time.monotonic() + 60 * options.minutes
    # Commands run in the repository's folder.
    options.out = options.out.resolve()
    options.out.mkdir(parents=True, exist_ok=True)
    results: list[Result] = []
    for task in list_tasks(options):
        left = end - time.monotonic()
        results.append(run(task, min(left, task.seconds), options.out) if left > _LEAST else skip(task))
        write(results, options.out)
        print(describe(results[-1]), flush=True)
    sys.exit(any(result.code != 0 for result in results))


def list_tasks(options: argparse.Namespace) -> Iterator[Task]:
    """Yield the tasks, the most important first."""
    if options.wheels:
        wheels = [str(path) for path in sorted(options.wheels.resolve().glob("*.whl"))]
        target = str(options.out / "packages")
        yield Task(
            "install", ("pip", "install", "--quiet", "--no-index", "--no-deps", "--target", target, *wheels), 120
        )
    device = "cpu" if options.quick else options.device
    yield Task("devices", ("alae_cli", "doctor"), 60)
    for backend in BACKENDS:
        words = ["alae_cli", "conform", "--backend", backend, "--profile", "smoke", "--device", device]
        words += ["--json", str(options.out / f"conformance-{backend}.json")]
        yield Task(f"conformance {backend}", (*words, *(["--case", "L0-leaky-contract"] if options.quick else [])), 120)
    sizes = (("mnist-mlp", 1), ("mnist-style", 3), ("celeba", 5), ("ffhq", 6))
    for preset, lod in (("digits-mlp", 1),) if options.quick else sizes:
        for backend in BACKENDS:
            words = ["benchmarks.step", "--preset", preset, "--lod", str(lod), "--backend", backend]
            words += ["--quick"] if options.quick else ["--rounds", "3", "--seconds", "1"]
            yield Task(f"step {preset} {backend}", tuple(words), 90)
    files = ("test_walk",) if options.quick else ("test_walk", "test_runner", "test_runner_style", "test_recipe")
    for backend in BACKENDS:
        words = ["pytest", "-q", "--no-header", "-m", "not slow", "-p", "no:cacheprovider"]
        yield Task(f"tests {backend}", (*words, *(f"tests/backends/{file}.py" for file in files)), 150, backend)


def run(task: Task, seconds: float, out: Path) -> Result:
    """Run a task in the repository's folder, and stop it after that many seconds. Its log is `out`/NAME.log."""
    log = out / f"{task.name.replace(' ', '-')}.log"
    began = time.monotonic()
    with log.open("wb") as file:
        # In a session of its own, so that its own processes are stopped with it.
        process = subprocess.Popen(
            [sys.executable, "-m", *task.words],
            cwd=ROOT,
            env=make_environment(task, out),
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
        try:
            code: int | None = process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            code = None
    lines = log.read_text("utf-8", "replace").splitlines()[-_LINES:]
    return Result(task.name, task.command, code, time.monotonic() - began, lines)


def skip(task: Task) -> Result:
    """Return the result of a task for which no time was left."""
    return Result(task.name, task.command, None, 0.0, ["no time was left"])


def make_environment(task: Task, out: Path) -> dict[str, str]:
    """Return the environment of a task: the packages of this repository first, then those that were installed."""
    folders = [ROOT, *(ROOT / name for name in ("backends", "conformance", "workbench", "cli"))]
    paths = [*map(str, folders), str(out / "packages"), os.environ.get("PYTHONPATH", "")]
    kept = {key: value for key, value in os.environ.items() if key != "KERAS_BACKEND"}
    chosen = {"KERAS_BACKEND": task.backend} if task.backend else {}
    # PyTorch and JAX may share the GPU, so JAX must not take most of its memory at its start.
    return {
        **kept,
        **chosen,
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
    }


def describe(result: Result) -> str:
    """Return a line about a result."""
    outcome = {0: "passed", None: "ran out of time"}.get(result.code, f"failed with exit code {result.code}")
    return f"{result.name}: {outcome} after {result.seconds:.0f} s"


def write(results: list[Result], out: Path) -> None:
    """Write results.json and results.md, each replaced as a whole."""
    parts = [
        f"## {describe(result)}\n\n`{result.command}`\n\n```text\n{_join(result.lines)}\n```\n" for result in results
    ]
    texts = {
        "results.json": json.dumps([asdict(result) for result in results], indent=1) + "\n",
        "results.md": "\n".join(["# Backends on a GPU\n", *parts]),
    }
    for name, text in texts.items():
        part = out / f".writing-{name}"
        part.write_text(text, "utf-8")
        part.replace(out / name)


def _join(lines: list[str]) -> str:
    return "\n".join(lines).replace("```", "'''")


if __name__ == "__main__":
    main()
