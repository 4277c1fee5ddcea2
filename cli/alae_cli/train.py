"""`alae train`."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from alae_cli.exit_codes import REPORTED, exit_code_of
from alae_cli.log import Logs, Quiet, choose_observers
from alae_cli.options import (
    BackendName,
    Device,
    FromRun,
    Images,
    LabelsFrom,
    Overrides,
    Partial,
    SkipBad,
    devices_option,
    parse_list,
    parse_overrides,
)
from alae_cli.processes import train_in_processes
from alae_cli.signals import end_process, saving_first
from alae_core import AlaeError

#: engines that start the processes of a run
Launcher = Literal["ray"]


def train(
    preset: Annotated[
        str | None,
        typer.Option(
            help="Preset to train: see `alae presets list`.", show_default="digits-conv, or a configuration for --data"
        ),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="YAML file with a configuration, e.g. from `alae new`.", show_default=False)
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="Training images: digits, mnist, fashion_mnist, cifar10, or a folder or file of images "
            "(docs/data.md lists the formats).",
            show_default="the configuration's",
        ),
    ] = None,
    labels: LabelsFrom = None,
    images: Images = None,
    steps: Annotated[
        int | None, typer.Option(min=1, max=10**12, help="Training steps in all.", show_default="the configuration's")
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Seed of initial weights, of every z and of the order of images.",
            show_default="the configuration's",
        ),
    ] = None,
    freeze: Annotated[
        str | None,
        typer.Option(
            metavar="PARTS",
            help="Networks, blocks or layers that keep their weights, e.g. E.block0,F (docs/fine-tuning.md).",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Directory of the run.", show_default="the first free runs/PRESET-BACKEND")
    ] = None,
    resume: Annotated[
        str | None,
        typer.Option(
            metavar="RUN|auto",
            help="Run or checkpoint to continue bit for bit, on any backend; with --out, in a new directory, which "
            "leaves the run unchanged. auto starts the run --out, continues it if it has a checkpoint, or does nothing "
            "if it has all steps, so the command can be repeated.",
            show_default=False,
        ),
    ] = None,
    origin: FromRun = None,
    partial: Partial = False,
    from_level: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Level of detail at which training starts, for images of 4·2^level pixels (style models).",
            show_default="0; with --from, the level that it reached",
        ),
    ] = None,
    other_data: Annotated[
        bool, typer.Option("--other-data", help="Resume even if the images are not those that the run began with.")
    ] = False,
    skip_bad: SkipBad = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Print the configuration, estimates of time and memory, and a verdict; write nothing."
        ),
    ] = False,
    log: Logs = None,
    quiet: Quiet = False,
    overrides: Overrides = None,
    backend: BackendName = None,
    device: Device = None,
    devices: Annotated[
        Any, devices_option("Devices of this machine that train together, each on its part of every batch")
    ] = None,
    launcher: Annotated[
        Launcher | None,
        typer.Option(
            help="Start the processes of --devices on a Ray cluster: the one of RAY_ADDRESS, or this machine.",
            show_default="the framework's own, on this machine",
        ),
    ] = None,
) -> None:
    """Train a model, then measure it.

    Ctrl-C and SIGTERM save and stop; --resume continues bit for bit. docs/cluster.md describes runs under a scheduler.
    """
    from alae_workbench.runs.request import AUTO, RunRequest

    resumed = None if resume == AUTO else resume
    if sum(option is not None for option in (preset, config, resumed)) > 1:
        raise AlaeError("--preset, --config and --resume each choose what to train: give one of them")
    if config and not config.exists():
        raise AlaeError(f"--config {config}: No such file or directory")
    fields = {
        "seed": seed,
        "training.labels_from": labels,
        "growth.from_level": from_level,
        "freeze": None if freeze is None else parse_list("freeze", [freeze], str),
    }
    request = RunRequest(
        config=config or preset,
        data=data,
        images=images,
        backend=backend,
        device=device,
        devices=devices,
        steps=steps,
        overrides=parse_overrides(overrides) | {key: value for key, value in fields.items() if value is not None},
        out=out,
        resume=resume,
        origin=origin,
        partial=partial,
        other_data=other_data,
        skip_bad=skip_bad,
    )
    if dry_run:
        from alae_workbench.runs.dry_run import describe

        print(describe(request))
        return
    code = train_in_processes(request, launcher)
    if code is not None:
        raise typer.Exit(code)
    from alae_workbench.runs.stop_signal import Stop
    from alae_workbench.runs.train import train as run

    stop = Stop(end=end_process)
    with saving_first(stop.save):
        try:
            run(request, observers=choose_observers(log, quiet), stop=stop)
        except Exception as error:
            stop.announce_end(exit_code_of(error) if isinstance(error, REPORTED) else 1)
            raise
