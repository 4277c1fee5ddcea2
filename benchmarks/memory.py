"""Compare the memory of a training step in one pass with that of the same step in 2, 4 and 8 passes.

    python -m benchmarks.memory [--preset mnist-conv] [--backend jax …] [--batch 128] [--quick]

Each number of passes runs in its own process. After a step that compiles, the peak of its resident memory is reset, and
the step is taken again; the table shows that peak above the memory before the step, which holds weights, moments and
the batch. Linux and CPUs only: only Linux resets the peak, and the memory of a GPU is not resident. TensorFlow keeps
the memory of a step for the next one, so this does not show it.
"""

import argparse
import ctypes
import gc
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import alae_core as alae
from alae_core.passes import require_microbatch
from alae_workbench import load_experiment
from benchmarks import turns

PASSES = (1, 2, 4, 8)


def main() -> None:
    """Measure each number of passes on each backend, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="mnist-conv", help="a preset without levels of detail (default mnist-conv)")
    parser.add_argument("--backend", nargs="+", default=["jax", "torch"], help="backends to measure")
    parser.add_argument("--batch", type=int, default=128, help="images per step, divisible by 8 (default 128)")
    parser.add_argument("--quick", action="store_true", help="a batch of 16 images, to check that it runs")
    parser.add_argument("--in-this-process", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.batch = 16 if options.quick else options.batch
    config = load_experiment(options.preset, {"batch_size": options.batch}).config
    if options.in_this_process:
        print(*measure_step(config, *options.backend, options.batch // options.in_this_process))
        return
    require_microbatch(config, options.batch // PASSES[-1])
    print("| backend | passes | images per pass | memory of a step | relative to one pass | time of a step |")
    print("| --- | --- | --- | --- | --- | --- |")
    for backend in options.backend:
        whole: float | None = None
        for passes in PASSES:
            size, seconds = run_measurement(backend, options.preset, options.batch, passes)
            whole = whole or size
            print(
                f"| {backend} | {passes} | {options.batch // passes} | {size / 1e6:,.0f} MB | {size / whole:.2f} | "
                f"{seconds:.2f} s |",
                flush=True,
            )


def run_measurement(backend: str, preset: str, batch: int, passes: int) -> tuple[int, float]:
    """Call `measure_step` in a new process."""
    words = ["--preset", preset, "--backend", backend, "--batch", str(batch), "--in-this-process", str(passes)]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.memory", *words],
        env={**os.environ, "KERAS_BACKEND": backend},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    size, seconds = done.stdout.split()[-2:]
    return int(size), float(seconds)


def measure_step(config: alae.Config, backend: str, microbatch: int) -> tuple[int, float]:
    """Return the bytes that a training step needs besides its state and batch, and the seconds that it takes."""
    runner = alae.load_backend(backend, "cpu").runner(alae.build(config), microbatch=microbatch)
    batch, state = runner.put(turns.random_images(config.batch_size, config.image)), runner.state()
    # The first step, which has every update, compiles, and keeps memory that is returned before the peak is measured.
    dict(runner.step(batch))
    runner.load(state)
    del state
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    before = read_status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", "ascii")
    started = time.perf_counter()
    dict(runner.step(batch))
    return read_status("VmHWM") - before, time.perf_counter() - started


def read_status(field: str) -> int:
    """Return a size in /proc/self/status, in bytes."""
    found = re.search(rf"^{field}:\s+(\d+) kB$", Path("/proc/self/status").read_text("ascii"), re.MULTILINE)
    if not found:
        raise SystemExit(f"/proc/self/status has no {field}: this benchmark needs Linux")
    return 1024 * int(found[1])


if __name__ == "__main__":
    main()
