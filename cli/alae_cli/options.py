"""Options that several commands share, and what they turn into."""

import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alae_core import AlaeError

if TYPE_CHECKING:
    from alae_core import Backend
    from alae_core.config import Precision

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
