"""`alae train`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from alae_cli.options import BackendName, Device, Images, Overrides, parse_overrides
from alae_core import AlaeError


def train(
    backend: BackendName = None,
    preset: Annotated[
        str | None,
        typer.Option(
            help="a configuration that ships with alae; `alae presets list` names them",
            show_default="digits-mlp, or one made for --data",
        ),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="a configuration of your own, as YAML", show_default=False)
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="digits, mnist, fashion_mnist, cifar10, or a folder or file of images: docs/data.md lists the kinds",
            show_default="the preset's",
        ),
    ] = None,
    images: Annotated[int | None, Images] = None,
    steps: Annotated[int | None, typer.Option(help="training steps in all", show_default="the preset's")] = None,
    seed: Annotated[
        int | None,
        typer.Option(help="decides initial weights, every z and the order of images", show_default="the preset's"),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="directory of the run", show_default="the first free runs/PRESET-BACKEND")
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(help="go on with a run (or from one of its checkpoints), on any backend", show_default=False),
    ] = None,
    other_data: Annotated[
        bool, typer.Option("--other-data", help="--resume even if the images are not those the run began with")
    ] = False,
    device: Device = None,
    overrides: Overrides = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="go on without unreadable images of a folder, and count them")
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="print what would be trained, how long and with what memory; take no step"),
    ] = False,
) -> None:
    """Train a model, and show how well it does.

    Ctrl-C and SIGTERM save and stop (exit codes 130 and 143); --resume goes on exactly.
    """
    if sum(option is not None for option in (preset, config, resume)) > 1:
        raise AlaeError("--preset, --config and --resume each say what to train: give one of them")
    if resume and out:
        raise AlaeError("--resume goes on in the run's own directory: omit --out")
    if config and not config.exists():
        raise AlaeError(f"--config {config}: No such file or directory")
    changes = parse_overrides(overrides) | ({} if seed is None else {"seed": seed})
    source = config or preset
    asked: dict[str, Any] = {
        "data": data,
        "images": images,
        "backend": backend,
        "steps": steps,
        "overrides": changes,
        "out": out,
        "resume": resume,
        "other_data": other_data,
        "skip_bad": skip_bad,
    }
    if dry_run:
        from alae_workbench.runs.plan import plan

        print(plan(source, **asked).described())
        return
    from alae_workbench.runs.train import train as run

    summary = run(source, device=device, **asked)
    if summary.stopped_by:
        raise typer.Exit(130 if summary.stopped_by == "SIGINT" else 143)
