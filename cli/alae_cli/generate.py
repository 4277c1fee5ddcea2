"""`alae generate`."""

from pathlib import Path
from typing import Annotated

import typer

from alae_cli.options import (
    Averaged,
    BackendName,
    Device,
    Lod,
    ModelOrShipped,
    Noise,
    SaveW,
    SharedBy,
    images_out,
    locate_model,
    parse_list,
)
from alae_cli.out import PICTURES, is_figure, is_folder, require_images_out
from alae_cli.output import locate_latents, write_array, write_images, write_picture
from alae_core import ArgumentError


def generate(
    model: ModelOrShipped = None,
    out: Annotated[Path, images_out()] = Path("samples.png"),
    count: Annotated[
        int | None,
        typer.Option(
            min=1, help="Number of samples, for each ψ.", show_default="60, or 10 with several values of --truncation"
        ),
    ] = None,
    seed: Annotated[
        int,
        typer.Option(
            min=0,
            help="Seed of every z. In a folder each picture has a seed of its own, from this one up, and its name.",
        ),
    ] = 0,
    w: Annotated[
        Path | None,
        typer.Option(
            "--w",
            metavar="FILE",
            help="Draw the images G(w) of the latents in this .npy or .npz file, instead of samples.",
            show_default=False,
        ),
    ] = None,
    save_w: SaveW = False,
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
    devices: SharedBy = None,
) -> None:
    """Draw samples G(F(z)), or write them as arrays or pictures."""
    require_images_out(out)
    psis, drawn = parse_list("psi", psi, float), is_figure(out, count)
    if len(psis) > 1 and (save_w or out.suffix not in PICTURES or is_folder(out)):
        reason = (
            "--save-w writes one w for each sample" if save_w else f"{out} has room for one: write a picture instead"
        )
        raise ArgumentError("psi", f"has {len(psis)} values, but {reason}")
    for option, value in {"psi": psi, "label": label}.items():
        if w is not None and value is not None:
            raise ArgumentError(option, "is for samples, but --w gives latents: omit it")
    from alae_core.streams import require_seed
    from alae_workbench.models.opening import open_model

    require_seed(seed)
    opened = open_model(
        locate_model(model),
        backend=backend,
        device=device,
        devices=devices,
        averaged=averaged,
        lod=lod,
        psi=psis or None,
        noise=noise,
        label=label,
    )
    noise, one = noise or "fixed", psis[0] if psis else None
    from alae_workbench.figures.image_files import name_by_seed, name_by_source
    from alae_workbench.models.latent_files import require_latents
    from alae_workbench.models.sampling import draw_latents, generate_in_batches
    from alae_workbench.tasks import figure

    if w is not None:
        found = require_latents(w, opened.model.config)[:count]
        if drawn:
            write_picture(out, figure.latents(opened, found, noise=noise))
            return
        batches = ((part, found[part]) for part in opened.model.chunks(len(found)))
        pairs = generate_in_batches(opened.model, batches, len(found), noise=noise)
        write_images(out, pairs, len(found), name_by_source(None, len(found)), save_w)
        return
    total = count or 60
    drawn = drawn or len(psis) > 1
    latents = draw_latents(opened.model, total, seed=seed, label=label, psi=one, each=is_folder(out))
    if not drawn:
        pairs = generate_in_batches(opened.model, latents, total, label=label, noise=noise)
        write_images(out, pairs, total, name_by_seed(seed, total), save_w)
        return
    chosen = psis if len(psis) > 1 else one
    write_picture(out, figure.samples(opened, count, seed=seed, label=label, psi=chosen, noise=noise))
    if save_w:
        write_array(locate_latents(out), (part for _, part in latents), total)
