"""`alae ablate`: variants of one configuration from several seeds, measured alike."""

from pathlib import Path
from typing import Annotated

import typer

from alae_cli.options import BackendName, Device, Overrides, parse_overrides
from alae_core import AlaeError


def ablate(
    ablation: Annotated[
        str, typer.Argument(help="reciprocity, or a YAML file with base, variants and seeds", show_default=False)
    ],
    base: Annotated[
        str | None,
        typer.Option(help="another preset or YAML file for all runs, without the file's own overrides"),
    ] = None,
    data: Annotated[str | None, typer.Option(help="what all train on, as for `alae train --data`")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="training steps of each run")] = None,
    seeds: Annotated[str | None, typer.Option(help="seeds, separated by commas", show_default="the file's")] = None,
    jobs: Annotated[int, typer.Option(min=1, help="runs at once")] = 1,
    out: Annotated[Path | None, typer.Option(help="a directory", show_default="ablations/NAME")] = None,
    overrides: Overrides = None,
    backend: BackendName = None,
    device: Device = None,
) -> None:
    """Train every variant from every seed, measure them alike, and show what comes of it: a table and two figures.

    Runs that are done are skipped, and what was interrupted goes on.
    """
    from alae_workbench.ablation.study import ROOM, ablate, illustrate, load_ablation

    changes = parse_overrides(overrides)
    if data is not None:
        changes["training.data"] = data
    if steps is not None:
        changes["training.steps"] = steps
    chosen = load_ablation(ablation, base=base, overrides=changes, seeds=None if seeds is None else _numbers(seeds))
    where = out or ROOM / Path(ablation).stem
    result = ablate(chosen, where, backend=backend, device=device, jobs=jobs)
    print(f"\n{result.markdown()}")
    for path in illustrate(result, where, backend=backend, device=device):
        print(path)


def _numbers(words: str) -> list[int]:
    try:
        return [int(word) for word in words.split(",")]
    except ValueError as error:
        raise AlaeError(f"--seeds {words} must be whole numbers, separated by commas, such as 0,1,2") from error
