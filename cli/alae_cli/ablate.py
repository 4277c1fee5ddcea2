"""`alae ablate`: variants of one configuration, trained from several seeds and measured alike."""

from pathlib import Path
from typing import Annotated

import typer

from alae_cli.options import BackendName, Device, Overrides, SkipBad, parse_list, parse_overrides
from alae_cli.signals import waiting_first


def ablate(
    ablation: Annotated[
        str,
        typer.Argument(
            help="A shipped ablation (recipe, reciprocity), or a YAML file with base, variants and seeds.",
            show_default=False,
        ),
    ],
    base: Annotated[
        str | None,
        typer.Option(
            help="Start all runs from this preset or YAML file; the ablation's own overrides are dropped.",
            show_default="the ablation's",
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(help="Train on the images of SOURCE, as for `alae train --data`.", show_default="the base's"),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Train each run for this many steps.", show_default="the ablation's")
    ] = None,
    seeds: Annotated[
        list[str] | None,
        typer.Option(help="Train from these seeds, separated by commas.", show_default="the ablation's"),
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Train this many runs at once; they share the cores.")] = 1,
    out: Annotated[
        Path | None, typer.Option(help="Write runs and results to this directory.", show_default="ablations/NAME")
    ] = None,
    skip_bad: SkipBad = False,
    overrides: Overrides = None,
    backend: BackendName = None,
    device: Device = None,
) -> None:
    """Train every variant from every seed, measure them alike, and summarise them in a table and two figures.

    Finished runs are skipped; interrupted runs continue.
    """
    from alae_workbench.ablation.figures import draw_figures
    from alae_workbench.ablation.matrix import load_ablation
    from alae_workbench.ablation.study import DIRECTORY, ablate

    changes = parse_overrides(overrides)
    if data is not None:
        changes["training.data"] = data
    if steps is not None:
        changes["training.steps"] = steps
    numbers = None if seeds is None else parse_list("seeds", seeds, int)
    chosen = load_ablation(ablation, base=base, overrides=changes, seeds=numbers)
    directory = out or DIRECTORY / Path(ablation).stem
    with waiting_first("its runs have saved; run the same command again to continue"):
        result = ablate(chosen, directory, backend=backend, device=device, jobs=jobs, skip_bad=skip_bad)
    print(f"\n{result.to_markdown()}")
    for path in draw_figures(result, directory, backend=backend, device=device):
        print(path)
