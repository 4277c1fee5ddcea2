"""`alae generate`."""

from pathlib import Path
from typing import Annotated

import typer

from alae_cli.options import (
    PICTURES,
    Averaged,
    BackendName,
    Device,
    Lod,
    ModelOrShipped,
    Noise,
    Seed,
    locate_model,
    parse_list,
    picture_out,
    require_ending,
)
from alae_cli.output import write_array, write_picture
from alae_core import ArgumentError


def generate(
    model: ModelOrShipped = None,
    out: Annotated[Path, picture_out(", or .npy: float32 (count, H, W, C) in [-1, 1]")] = Path("samples.png"),
    count: Annotated[
        int | None,
        typer.Option(
            min=1, help="Number of samples, for each ψ.", show_default="60, or 10 with several values of --truncation"
        ),
    ] = None,
    seed: Seed = 0,
    label: Annotated[
        int | None,
        typer.Option(min=0, help="Class to generate (models trained with labels).", show_default="all classes in turn"),
    ] = None,
    psi: Annotated[
        list[str] | None,
        typer.Option(
            "--truncation",
            metavar="ψ,…",
            help="Truncation ψ, w′ = mean + ψ · (w − mean), from 0 to 1; several values draw a row each, e.g. "
            "0,0.3,0.5,0.7,1 (style models).",
            show_default="the configuration's",
        ),
    ] = None,
    lod: Lod = None,
    noise: Noise = None,
    averaged: Averaged = True,
    backend: BackendName = None,
    device: Device = None,
) -> None:
    """Draw samples G(F(z)), or write them as an array."""
    require_ending(out, *PICTURES, ".npy")
    psis = parse_list("psi", psi, float)
    if len(psis) > 1 and out.suffix == ".npy":
        raise ArgumentError("psi", f"has {len(psis)} values, but {out} has room for one: write a picture instead")
    from alae_core.streams import require_seed
    from alae_workbench.models.opening import open_model

    require_seed(seed)
    opened = open_model(
        locate_model(model),
        backend=backend,
        device=device,
        averaged=averaged,
        lod=lod,
        psi=psis or None,
        noise=noise,
        label=label,
    )
    noise = noise or "fixed"
    if out.suffix == ".npy":
        from alae_workbench.models.sampling import sample_in_batches

        count, one = count or 60, psis[0] if psis else None
        write_array(out, sample_in_batches(opened.model, count, seed=seed, label=label, psi=one, noise=noise), count)
        return
    from alae_workbench.tasks import figure

    chosen = psis if len(psis) > 1 else next(iter(psis), None)
    write_picture(out, figure.samples(opened, count, seed=seed, label=label, psi=chosen, noise=noise))
