"""`alae measures`: list the measures."""


def measures() -> None:
    """List the measures by group: names, which values are better, and when they are taken."""
    from itertools import groupby
    from shutil import get_terminal_size
    from textwrap import fill

    import typer

    from alae_workbench.evaluation.registry import MEASURES

    moments = {
        "report": " (with each report of a run)",
        "checkpoint": " (with each checkpoint of a run)",
        "end": " (at the end of a run)",
    }
    needs = {"labels": "needs class labels", "weights": "downloads weights", "package": "needs alae[measures]"}
    columns, longest = get_terminal_size().columns, max(map(len, MEASURES))
    for group, rows in groupby(MEASURES.values(), lambda measure: measure.group):
        members = list(rows)
        notes = ["only on request"] if members[0].when == "request" else []
        notes += [needs[need] for need in members[0].needs]
        typer.echo(f"{typer.style(group, bold=True)}  {', '.join(notes)}".rstrip())
        # Not a table of rich, which takes a fifth of a second to lay out.
        for measure in members:
            start = f"  {measure.name:<{longest}}  {measure.arrow or ' '}  "
            text = measure.description + moments.get(measure.when, "")
            typer.echo(
                fill(text, columns, initial_indent=start, subsequent_indent=" " * len(start), break_on_hyphens=False)
            )
