"""`alae conform`."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from alae_core import AlaeError

if TYPE_CHECKING:
    from alae_conformance.record import Report


def conform(
    backend: Annotated[
        list[str] | None,
        typer.Option(
            "--backend",
            "-b",
            help="a plug-in to judge, several times if need be; by default KERAS_BACKEND, or the first installed",
            show_default=False,
        ),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="judge every plug-in that is registered")] = False,
    profile: Annotated[
        Literal["smoke", "standard", "full"],
        typer.Option(
            help="smoke: contract, outputs and losses in float32; standard: gradients and updates too; full: long "
            "runs and checkpoints that change hands too",
        ),
    ] = "standard",
    case: Annotated[
        list[str] | None, typer.Option(help="a case to run, by its id; several times if need be", show_default=False)
    ] = None,
    level: Annotated[
        list[int] | None, typer.Option(min=0, max=5, help="a level to run: 0 for L0, …", show_default=False)
    ] = None,
    lane: Annotated[
        list[str] | None, typer.Option(help="a lane to run: float32, float64 or bfloat16", show_default=False)
    ] = None,
    device: Annotated[str | None, typer.Option(help="where to compute: cpu, gpu, gpu:1, …", show_default=False)] = None,
    require: Annotated[
        str | None,
        typer.Option(
            metavar="CLAIM",
            help="what must hold, such as float32:L3,float64:L3: a level or lane that is missing is a failure",
            show_default=False,
        ),
    ] = None,
    html: Annotated[Path | None, typer.Option(help="write a page with plots", show_default=False)] = None,
    json: Annotated[Path | None, typer.Option(help="write the whole record", show_default=False)] = None,
    junit: Annotated[Path | None, typer.Option(help="write JUnit XML, for CI", show_default=False)] = None,
    badge: Annotated[Path | None, typer.Option(help="write a badge, for shields.io", show_default=False)] = None,
    xfail: Annotated[
        Path | None,
        typer.Option(
            help="TOML of known failures, each exactly named, with reason, link, expiry; and of what must hold",
            show_default=False,
        ),
    ] = None,
    fresh: Annotated[
        int | None,
        typer.Option(min=0, help="draw new numbers from this seed, instead of the frozen ones", show_default=False),
    ] = None,
    listing: Annotated[bool, typer.Option("--list", help="name the cases that would run, and run none")] = False,
) -> None:
    """Judge backends against the NumPy reference.

    The exit code is 0 only if every claimed level holds on every backend, and all that is required.
    """
    from rich.console import Console

    from alae_conformance.claims import read_claim
    from alae_conformance.selection import Selection, select
    from alae_conformance.suite import conform as judge
    from alae_conformance.xfail import read_claims, read_xfails
    from alae_core.plugins import find_backend

    console = Console()
    selection = Selection(case or (), level or (), lane or ())
    if listing:
        for found in {found.id: found for found, _ in select(profile, selection)}.values():
            console.print(f"{found.id:28}{', '.join(found.lanes)}\n    {found.requirement}", highlight=False)
        return
    if badge and selection.partial:
        raise AlaeError("--badge shows whole levels: omit --case, --level and --lane")
    names = _names(backend, every)
    for name in names:
        find_backend(name)
    xfails, claims = (read_xfails(xfail, names), read_claims(xfail, names)) if xfail else (None, None)
    required = read_claim(require) if require else None
    files = {"html": html, "json": json, "junit": junit, "badge": badge}
    for target in filter(None, files.values()):
        # Before minutes of work, not after.
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    from alae_conformance.report.badge import badge as to_badge
    from alae_conformance.report.junit import junit as to_junit
    from alae_conformance.report.page import page as to_html
    from alae_conformance.report.terminal import Lines, summary

    report = judge(
        names,
        profile,
        selection=selection,
        device=device,
        fresh=fresh,
        xfails=xfails,
        require=required,
        claims=claims,
        on_case=Lines(console, names).case,
    )
    summary(report, console)
    writers: dict[str, Callable[[Report], str]] = {
        "html": to_html,
        "json": lambda report: report.model_dump_json(indent=1),
        "junit": to_junit,
        "badge": to_badge,
    }
    for kind, path in files.items():
        if path:
            path.write_text(writers[kind](report), "utf-8")
            console.print(f"{kind:6}{path}", highlight=False, soft_wrap=True)
    raise typer.Exit(0 if report.conforms else 1)


def _names(backend: list[str] | None, every: bool) -> list[str]:
    from alae_core import installed_backends
    from alae_core.plugins import default_backend

    if backend and every:
        raise AlaeError("--all judges every backend: omit --backend")
    if every:
        return list(installed_backends())
    return list(dict.fromkeys(backend or [default_backend()]))
