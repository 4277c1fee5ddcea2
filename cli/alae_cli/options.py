"""Options that several commands share, and what they turn into."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alae_core import AlaeError

if TYPE_CHECKING:
    from alae_core import Backend, Checkpoint, Config
    from alae_core.config import Precision

Model = Annotated[Path, typer.Argument(help="a run of `alae train`, or one of its checkpoints", show_default=False)]
Averaged = Annotated[
    bool,
    typer.Option(
        "--averaged/--raw",
        help="the networks' running averages, which lag in short runs (average_halflife), or the networks as trained",
    ),
]
BackendName = Annotated[
    str | None,
    typer.Option(
        "--backend",
        "-b",
        help="jax, torch, tensorflow, or a plug-in's name; by default KERAS_BACKEND, or the first installed",
        show_default=False,
    ),
]
Device = Annotated[
    str | None,
    typer.Option(help="cpu, gpu, gpu:1, …; by default the accelerator where there is one", show_default=False),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set", help="KEY=VALUE replaces any configuration field, such as adam.learning_rate=1e-3", show_default=False
    ),
]


def open_backend(name: str | None, device: str | None, precision: "Precision") -> "Backend":
    """The backend that --backend and --device ask for. Raises BackendError where it cannot be had."""
    from alae_core import load_backend

    return load_backend(name or default_backend(), device, precision)


def open_model(
    model: Path, averaged: bool, backend: str | None, device: str | None, **style_options: Any
) -> "Checkpoint":
    """The checkpoint that a command is about, its backend ready to run it.

    Raises AlaeError where one of `style_options`, options for style models only, is given for another model.
    """
    from alae_core import load_checkpoint

    checkpoint = load_checkpoint(model, averaged=averaged)
    for name, value in style_options.items():
        if value is not None:
            require_style(checkpoint.config, f"--{name}")
    open_backend(backend, device, checkpoint.config.precision)
    return checkpoint


def require_style(config: "Config", what: str) -> None:
    """Raise AlaeError, saying that `what` is for style models, where this is none."""
    family = config.networks.family
    if family != "style":
        raise AlaeError(f"{what} is for style models, but this one's networks are of the family {family}")


def level(checkpoint: "Checkpoint", lod: int | None = None) -> dict[str, Any]:
    """The keywords `lod` and `blend` that say at which level of detail to work: by default where training had come to.

    Raises AlaeError where the model has no level `lod`.
    """
    from alae_core.growth import position

    if lod is not None:
        if lod >= checkpoint.config.lods:
            raise AlaeError(f"--lod is {lod}, but the model has the levels 0 … {checkpoint.config.lods - 1}")
        return {"lod": lod, "blend": 1.0}
    last = position(checkpoint.config, max(checkpoint.step - 1, 0))
    return {"lod": last.stage.lod, "blend": last.blend}


def require_seed(seed: int) -> int:
    """`seed`, where random streams can start from it. Raises AlaeError."""
    if not 0 <= seed < 2**63:
        raise AlaeError(f"the seed is {seed}, but must lie in 0 … 2**63 - 1")
    return seed


def default_backend() -> str:
    """The backend of a command that names none."""
    # alae_core has set it to the first framework that is installed, unless the user had; numpy stands for none.
    return os.environ["KERAS_BACKEND"].replace("numpy", "jax")


def parse_overrides(assignments: list[str] | None) -> dict[str, Any]:
    """`["a.b=1"]` as `{"a.b": 1}`; values are YAML. Raises AlaeError for one without `=` or with broken YAML."""
    import yaml

    from alae_core.config import parse_yaml

    overrides = {}
    for assignment in assignments or []:
        key, equals, value = assignment.partition("=")
        if not equals or not key:
            raise AlaeError(f"--set {assignment!r} must be KEY=VALUE, such as adam.learning_rate=1e-3")
        try:
            overrides[key] = parse_yaml(value)
        except yaml.YAMLError as error:
            raise AlaeError(f"--set {assignment!r}: the value is not YAML: {' '.join(str(error).split())}") from error
    return overrides
