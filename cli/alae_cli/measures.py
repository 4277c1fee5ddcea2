"""`alae measures`: list the measures."""


def measures() -> None:
    """List the measures by group: names, which values are better, and when they are taken."""
    from itertools import groupby

    from rich.console import Console
    from rich.table import Table

    from alae_workbench.evaluation.registry import MEASURES

    moments = {
        "report": "with each report of a run",
        "checkpoint": "with each checkpoint of a run",
        "end": "at the end of a run",
    }
    needs = {"labels": "needs class labels", "weights": "downloads weights", "package": "needs alae\\[measures]"}
    table = Table.grid(padding=(0, 2))
    for group, rows in groupby(MEASURES.values(), lambda measure: measure.group):
        members = list(rows)
        notes = ["only on request"] if members[0].when == "request" else []
        notes += [needs[need] for need in members[0].needs]
        table.add_row(f"[bold]{group}[/bold]", "", f"[dim]{', '.join(notes)}[/dim]")
        for measure in members:
            moment = f"[dim]  ({moments[measure.when]})[/dim]" if measure.when in moments else ""
            table.add_row(f"  {measure.name}", measure.arrow, f"{measure.description}{moment}")
    Console().print(table)
