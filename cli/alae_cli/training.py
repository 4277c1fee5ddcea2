"""`alae train`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alae_cli.options import BackendName, Device, Overrides, open_backend, parse_overrides
from alae_core import AlaeError

if TYPE_CHECKING:
    from rich.console import Console

    from alae_workbench.trainer import Summary


def train(
    backend: BackendName = None,
    preset: Annotated[
        str | None,
        typer.Option(help="a configuration that ships with alae; `alae presets` lists them", show_default="digits-mlp"),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="a configuration of your own, as YAML", show_default=False)
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="digits, mnist, fashion_mnist, cifar10, an .npz, an IDX folder or a folder of images",
            show_default="the preset's",
        ),
    ] = None,
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
    device: Device = None,
    overrides: Overrides = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="go on without unreadable images of a folder, and count them")
    ] = False,
) -> None:
    """Train a model, and show how well it does.

    Ctrl-C and SIGTERM save and stop (exit codes 130 and 143); --resume goes on exactly.
    """
    from rich.console import Console

    from alae_core import load_checkpoint, load_config
    from alae_core.config import make_config

    chosen = parse_overrides(overrides)
    chosen |= {
        key: value
        for key, value in (("training.data", data), ("training.steps", steps), ("training.seed", seed))
        if value is not None
    }
    if sum(option is not None for option in (preset, config, resume)) > 1:
        raise AlaeError("--preset, --config and --resume each say what to train: give one of them")
    if resume and out:
        raise AlaeError("--resume goes on in the run's own directory: leave --out away")
    checkpoint = load_checkpoint(resume) if resume else None
    if checkpoint:
        settings = make_config(checkpoint.config.model_dump(mode="json"), chosen, source=str(resume))
        if settings.training.seed != checkpoint.seed:
            raise AlaeError(f"the run was started with seed {checkpoint.seed}: leave --seed away, or start a new run")
    else:
        settings = load_config(config or preset or "digits-mlp", overrides=chosen)

    # The backend first: Keras picks its framework when first imported, and reading its data sets imports it.
    plugin = open_backend(backend, device, settings.precision)
    from alae_workbench.data.sources import load_data
    from alae_workbench.run import Run
    from alae_workbench.trainer import Trainer

    images = load_data(settings, skip_bad=skip_bad)
    if checkpoint:
        run = Run.of(checkpoint)
    else:
        run = Run.new(out or _free(f"{(config or Path(preset or 'digits-mlp')).stem}-{plugin.name}"))
    console = Console()
    skipped = f", {images.skipped} unreadable ones skipped" if images.skipped else ""
    what = f"{settings.training.data}, {len(images.train):,} images{skipped}"
    console.print(f"{run.path}: {what}; {plugin.name} on {plugin.device}", highlight=False, soft_wrap=True)
    summary = Trainer(run, settings, plugin, images, console, resume=checkpoint).train()
    _print(summary, console)
    if summary.stopped_by:
        raise typer.Exit(130 if summary.stopped_by == "SIGINT" else 143)


def _free(name: str) -> Path:
    names = (name if number == 1 else f"{name}-{number}" for number in range(1, 10_000))
    return next(path for path in (Path("runs", name) for name in names) if not path.exists())


def _print(summary: "Summary", console: "Console") -> None:
    from rich.table import Table

    table = Table(title=f"after {summary.step:,} steps", title_justify="left", show_header=False)
    for name, value in summary.losses.items():
        table.add_row(f"{name} loss", f"{value:.4f}")
    table.add_row("reciprocity error ‖F(z) − E(G(F(z)))‖² / var F(z), held-out z", f"{summary.reciprocity_error:.4f}")
    table.add_row("reconstruction error (x − G(E(x)))², held-out images", f"{summary.reconstruction_error:.4f}")
    if summary.nearest_neighbour:
        table.add_row("1-nearest-neighbour accuracy on E(x), held-out images", f"{summary.nearest_neighbour['w']:.4f}")
        table.add_row("the same on raw pixels", f"{summary.nearest_neighbour['pixels']:.4f}")
    console.print(table)
    console.print(f"look at  {summary.grid}\nload     {summary.checkpoint}", highlight=False, soft_wrap=True)
