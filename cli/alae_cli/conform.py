"""`alae conform`."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from alae_cli.commands import Commands
from alae_cli.options import Device, parse_list
from alae_core import AlaeError, ArgumentError

if TYPE_CHECKING:
    from alae_conformance.record import Report


conform = Commands(name="conform", invoke_without_command=True, no_args_is_help=False)


@conform.callback()
def judge_backends(
    context: typer.Context,
    backend: Annotated[
        list[str] | None,
        typer.Option(
            "--backend",
            "-b",
            metavar="NAME,…",
            help="Backends to judge.",
            show_default="KERAS_BACKEND, or the first installed",
        ),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Judge every installed backend.")] = False,
    profile: Annotated[
        Literal["smoke", "standard", "full"],
        typer.Option(
            help="smoke: contract, outputs and losses in float32; standard: also gradients and updates; full: also "
            "long runs and checkpoints that move between backends.",
        ),
    ] = "standard",
    case: Annotated[
        list[str] | None, typer.Option(metavar="ID,…", help="Cases to run; see --list.", show_default="all")
    ] = None,
    level: Annotated[
        list[str] | None,
        typer.Option(metavar="0…5,…", help="Levels to run, e.g. 0,1 for L0 and L1.", show_default="all"),
    ] = None,
    lane: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LANE,…", help="Lanes to run: float32, float64, bfloat16, microbatch, devices.", show_default="all"
        ),
    ] = None,
    device: Device = None,
    require: Annotated[
        str | None,
        typer.Option(
            metavar="CLAIM",
            help="Fail unless these levels hold, e.g. float32:L3,float64:L3; a level or lane that was not run is a "
            "failure.",
            show_default=False,
        ),
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write a page with plots.", show_default=False)] = None,
    json: Annotated[Path | None, typer.Option(help="Write the whole record.", show_default=False)] = None,
    junit: Annotated[Path | None, typer.Option(help="Write JUnit XML, for CI.", show_default=False)] = None,
    badge: Annotated[Path | None, typer.Option(help="Write a badge, for shields.io.", show_default=False)] = None,
    xfail: Annotated[
        Path | None,
        typer.Option(
            help="Read known failures, each with its reason, link and expiry date, and required levels from TOML.",
            show_default=False,
        ),
    ] = None,
    fresh: Annotated[
        int | None,
        typer.Option(min=0, help="Draw new random numbers from this seed.", show_default="the frozen numbers"),
    ] = None,
    listing: Annotated[bool, typer.Option("--list", help="List the cases that would run, and run none.")] = False,
) -> None:
    """Compare backends with the NumPy reference.

    The exit code is 0 only if every backend reaches the levels that it claims and that --require names.
    """
    if context.invoked_subcommand:
        return
    levels = parse_list("level", level, int)
    if any(not 0 <= number <= 5 for number in levels):
        raise ArgumentError("level", f"is {','.join(map(str, levels))}; levels are 0 … 5")
    from rich.console import Console

    from alae_conformance.claims import read_claim
    from alae_conformance.selection import Selection, estimate_seconds, select
    from alae_conformance.suite import conform as judge
    from alae_conformance.xfail import read_claims, read_xfails
    from alae_core.backend_lookup import find_backend

    console = Console()
    selection = Selection(parse_list("case", case, str), levels, parse_list("lane", lane, str))
    if listing:
        for chosen in {each.id: each for each, _ in select(profile, selection)}.values():
            console.print(f"{chosen.id:28}{', '.join(chosen.lanes)}\n    {chosen.requirement}", highlight=False)
        return
    if badge and selection.partial:
        raise AlaeError("--badge shows whole levels: omit --case, --level and --lane")
    names = _choose_backends(parse_list("backend", backend, str), every)
    for name in names:
        find_backend(name)
    xfails, claims = (read_xfails(xfail, names), read_claims(xfail, names)) if xfail else (None, None)
    required = read_claim(require) if require else None
    files = {"html": html, "json": json, "junit": junit, "badge": badge}
    for target in filter(None, files.values()):
        # An unwritable file is reported before minutes of work, not after.
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    from alae_conformance.report.badge import badge as to_badge
    from alae_conformance.report.junit import junit as to_junit
    from alae_conformance.report.page import page as to_html
    from alae_conformance.report.terminal import Lines, summary

    tasks = select(profile, selection)
    seconds = estimate_seconds(tasks, len(names), os.cpu_count() or 1)
    console.print(
        f"{len(tasks)} cases on {', '.join(names)}: about {seconds} s if the machine is idle", highlight=False
    )
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


@conform.command()
def compare(
    before: Annotated[Path, typer.Argument(help="A report of `alae conform --json`.", show_default=False)],
    now: Annotated[Path, typer.Argument(help="A later one, or that of another backend.", show_default=False)],
) -> None:
    """Compare two reports: the level that each backend holds, and the cases that differ.

    Only reports of the same revision of the suite are compared, and of lanes that both have; a case that was not run is
    missing, not failed. The exit code is 1 if a case that passed before fails now.
    """
    from rich.console import Console

    from alae_conformance.report.difference import print_comparison, read_report

    changes = print_comparison([before, now], read_report(before), read_report(now), Console())
    raise typer.Exit(1 if any(change.is_worse for change in changes) else 0)


def _choose_backends(backend: list[str], every: bool) -> list[str]:
    from alae_core import installed_backends
    from alae_core.backend_lookup import default_backend

    if backend and every:
        raise AlaeError("--all judges every installed backend: omit --backend")
    if every:
        return list(installed_backends())
    return list(dict.fromkeys(backend or [default_backend()]))
