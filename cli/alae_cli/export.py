"""`alae export`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import typer

from alae_cli.options import MODEL_OR_SHIPPED, Averaged, BackendName, Lod, Runtime, locate_model, parse_list
from alae_core import ArgumentError

#: the format that other commands of alae open, and the page for the browser
RUN, WEB = "run", "web"


def export(
    model: Annotated[Path, typer.Argument(help=MODEL_OR_SHIPPED, show_default=False)],
    out: Annotated[
        Path,
        typer.Argument(help="New directory to write; for a run also a .zip: one file to send.", show_default=False),
    ],
    format: Annotated[
        Literal["run", "onnx", "stablehlo", "torch", "saved_model", "litert", "web"],
        typer.Option(
            help="run: a small copy that alae opens; onnx, stablehlo, torch, saved_model, litert: functions for ONNX "
            "Runtime, JAX, PyTorch, TensorFlow or LiteRT, without alae (docs/export.md); web: a page that runs the "
            "model in the browser (docs/demo.md)."
        ),
    ] = "run",
    credit: Annotated[
        str | None,
        typer.Option(
            help="Source and licence of the training images; a run needs it for its card.",
            show_default="those on the card of an exported run",
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="The training images; a run takes examples from them.", show_default="where the run recorded them"
        ),
    ] = None,
    functions: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME,…",
            help="Functions to export: F, G, E, D, generate (G∘F) and reconstruct (G∘E); not for a run.",
            show_default="all that the model has",
        ),
    ] = None,
    noise: Annotated[
        Literal["fixed", "input", "none", "bump"] | None,
        typer.Option(
            help="Noise of exported functions (style models): fixed, as constants; an input for each layer; none; or "
            "bump, the constant that the authors' code adds with noise off.",
            show_default="fixed",
        ),
    ] = None,
    runtime: Runtime = None,
    lod: Lod = None,
    averaged: Averaged = True,
    backend: BackendName = None,
) -> None:
    """Write a copy of a run to share, a model's functions for other software, or a page that runs it.

    A copy has averaged networks as float16, directions, examples and a card. Commands that use a model open it like any
    run; training cannot continue from it. The card quotes the numbers of `alae evaluate`, so evaluate the run first.

    Functions run without alae. They are run in a new process after they are written, and the largest error is printed.
    """
    if format != WEB:
        _refuse({"runtime": runtime}, f"is for the format web, not for {format}")
    if format == RUN:
        of_functions = {"functions": functions, "noise": noise, "lod": lod, "averaged": None if averaged else "--raw"}
        _refuse(of_functions, "is not for the format run, which is a copy of the run")
        _export_run(model, out, credit, data, backend)
        return
    _refuse({"data": data}, f"is for the format run, not for {format}")
    _refuse({"backend": backend}, f"is not for the format {format}, which has a backend of its own")
    if format == WEB:
        _refuse({"functions": functions}, "is not for the format web, which needs F, G and E")
        _refuse({"noise": noise if noise == "input" else None}, "is input, but the page has no noise to give")
    from alae_workbench.exports.export import DESCRIPTION, open_for_export

    names = parse_list("functions", functions, str)
    opened = open_for_export(
        locate_model(model), "onnx" if format == WEB else format, averaged=averaged, lod=lod, noise=noise
    )
    if format == WEB:
        from alae_workbench.exports.page import export_page, judge_size

        errors = export_page(opened, out, noise=noise or "fixed", credit=credit, runtime=runtime)
        written, note = out / "index.html", judge_size(out)
    else:
        from alae_workbench.exports.export import export_model
        from alae_workbench.exports.programs import PROGRAM_NAMES

        errors = export_model(
            opened, out, format, functions=names or PROGRAM_NAMES, noise=noise or "fixed", credit=credit
        )
        written, note = out / DESCRIPTION, None
    for name, error in errors.items():
        print(f"{name}: largest error {error:.1e}, in a process without alae")
    print(f"{written}: {_measure_size(out):.2f} MB in {out}")
    if note:
        print(note)


def _export_run(model: Path, out: Path, credit: str | None, data: str | None, backend: str | None) -> None:
    if credit is None:
        raise ArgumentError("credit", "is missing: give the source and licence of the training images, for the card")
    from alae_workbench.models.opening import open_model

    opened = open_model(locate_model(model), backend=backend)
    from alae_workbench.runs.export import export_run

    written = export_run(opened, out, credit, data)
    print(f"{written}: {_measure_size(out):.2f} MB" + ("" if written == out else f" in {out}"))


def _refuse(options: Mapping[str, object], problem: str) -> None:
    for name, value in options.items():
        if value is not None:
            raise ArgumentError(name, problem)


def _measure_size(out: Path) -> float:
    """Return the size of a file or of the files in a directory, in MB."""
    return sum(file.stat().st_size for file in (out, *out.rglob("*")) if file.is_file()) / 1e6
