"""Export of a model: its programs in a format of other software, their description, and a script that checks them."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from shutil import copyfile
from typing import Any

import numpy as np

from alae_core import AlaeError, __version__
from alae_core._support.files import atomic_file, create_directory, write_atomically
from alae_core._support.lazy import load_object
from alae_core._support.text import short_repr
from alae_core.program import Port, Program
from alae_workbench.exports.formats import open_exporter
from alae_workbench.exports.programs import PROGRAM_NAMES, ExportedNoise, make_examples, make_programs
from alae_workbench.models.opening import CARD_KEY, OpenedModel, open_model

#: the file that describes an export, and the script that checks it
DESCRIPTION, CHECK = "export.json", "check.py"
_SCRIPTS = Path(__file__).parent / "scripts"
_TIMEOUT_SECONDS = 600
_RANGE = "images are float32 (batch, height, width, channels) in [-1, 1]: uint8 / 127.5 - 1"


def open_for_export(
    path: Path, format: str, *, averaged: bool = True, lod: int | None = None, noise: str | None = None
) -> OpenedModel:
    """Open the run or checkpoint `path` in float32 on the backend that writes `format`; other options as `open_model`.

    Raises what `open_exporter` and `open_model` raise.
    """
    format_, _ = open_exporter(format)
    return open_model(
        path,
        backend=format_.backend,
        device="cpu",
        averaged=averaged,
        lod=lod,
        noise=noise,
        precision="float32",
    )


def export_model(
    opened: OpenedModel,
    out: Path,
    format: str,
    *,
    functions: Sequence[str] = PROGRAM_NAMES,
    noise: ExportedNoise = "fixed",
    credit: str | None = None,
) -> dict[str, float]:
    """Write functions of a model to the new directory `out`, run them in another process, and return their errors.

    The directory also gets export.json (the functions' formulas, inputs and errors), examples of inputs and
    outputs (check.npz), and two scripts that need neither alae nor Keras: load.py and check.py.

    Args:
        opened: the model, from `open_for_export`.
        out: the new directory.
        format: one of `formats.FORMATS`.
        functions: names of programs: see `make_programs`.
        noise: see `make_programs`.
        credit: source and licence of the training images; by default those on the card of an exported run.

    Returns:
        the largest error of each function, on batches of two sizes: the largest absolute difference from the outputs
        of alae, divided by the largest absolute output if that is above 1.

    Raises AlaeError if `out` exists, or the exported functions cannot be run or compute something else.
    """
    if out.exists():
        raise AlaeError(f"{out} exists already: choose another name")
    format_, backend = open_exporter(format)
    programs = make_programs(opened.model, functions, noise)
    description = {"format": format, **describe_model(opened, noise, credit)}
    metadata = {key: value if isinstance(value, str) else json.dumps(value) for key, value in description.items()}
    write = load_object(backend.exporters[format])
    with create_directory(out):
        versions: dict[str, str] = {}
        for program in programs:
            versions |= write(program, out / f"{program.name}{format_.ending}", metadata)
        description["functions"] = {
            name: {"file": f"{name}{format_.ending}", **function}
            for name, function in describe_programs(programs).items()
        }
        with atomic_file(out / "check.npz") as file:
            np.savez(file, **make_examples(opened.model, programs, noise))  # type: ignore[arg-type]
        copyfile(_SCRIPTS / CHECK, out / CHECK)
        copyfile(_SCRIPTS / f"load_{format}.py", out / "load.py")
        description["written with"] = versions
        _write_description(out, description)
        errors = check_export(out)
        _write_description(out, description | {"errors": errors, "largest error": max(errors.values())})
    return errors


def check_export(out: Path) -> dict[str, float]:
    """Run the check of the export `out` in a process of its own; return the largest error of each function.

    Raises AlaeError if it fails or finds an error above its limit.
    """
    # The paths of alae and of the current directory are left out, so that nothing of alae can be imported.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [sys.executable, str(out / CHECK)]
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=_TIMEOUT_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise AlaeError(
            f"{out / CHECK} has not ended after {_TIMEOUT_SECONDS} seconds: export fewer functions"
        ) from error
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        reason = (lines or done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise AlaeError(f"the exported functions do not compute what the model does: {short_repr(reason)}")
    return {name: float(error) for name, error in json.loads(lines[-1]).items()}


def _write_description(out: Path, description: dict[str, Any]) -> None:
    write_atomically(out / DESCRIPTION, (json.dumps(description, indent=1, ensure_ascii=False) + "\n").encode())


def describe_model(opened: OpenedModel, noise: ExportedNoise, credit: str | None) -> dict[str, Any]:
    """Describe a model and how it is exported, as plain data; `noise` and `credit` as for `export_model`."""
    checkpoint, config, model = opened.checkpoint, opened.checkpoint.config, opened.model
    card: Mapping[str, Any] = checkpoint.run.get(CARD_KEY) or {}
    description: dict[str, Any] = {
        "alae": __version__,
        "model": config.description or config.networks.family,
        "family": config.networks.family,
        "algorithm": config.algorithm,
        "image": list(model.image_shape()),
        "range": _RANGE,
        "classes": config.labels,
        "step": checkpoint.step,
        "networks": "averaged" if opened.averaged else "as trained",
        "licence": credit or card.get("credit") or "unknown",
    }
    if model.view is not None:
        description |= {"lod": model.view.lod, "noise": noise}
    if (mean := model.mean_of_w()) is not None:
        truncation = {"psi": config.style.truncation_psi, "layers": config.style.truncation_layers}
        description["truncation"] = truncation | {"mean": mean.tolist()}
    return description


def describe_programs(programs: Sequence[Program]) -> dict[str, dict[str, Any]]:
    """Return the formula, inputs and output of each program by its name, as plain data."""
    return {
        program.name: {
            "computes": program.meaning,
            "inputs": [_describe_port(port) for port in program.inputs],
            "output": _describe_port(program.output),
        }
        for program in programs
    }


def _describe_port(port: Port) -> dict[str, Any]:
    return {"name": port.name, "shape": ["batch" if size is None else size for size in port.shape], "dtype": port.dtype}
