"""An ablation study: variants of one configuration are trained from several seeds, measured and summarised."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from alae_core import AlaeError
from alae_core._support.dotted_keys import describe_changes, differences
from alae_core._support.files import write_atomically
from alae_core.config_data import RUN
from alae_core.plugin_code import PluginRecord, give_plugins, given_plugins
from alae_workbench.ablation.matrix import Ablation, Cell, list_cells
from alae_workbench.ablation.processes import train_cells
from alae_workbench.evaluation.records import read_evaluation, record_evaluation
from alae_workbench.runs.request import AUTO
from alae_workbench.runs.settings import Experiment, decisive_settings, load_experiment
from alae_workbench.storage.directory import Run

#: the default folder of ablations; each is written to a subfolder with its name
DIRECTORY = Path("ablations")


@dataclass(frozen=True)
class Result:
    """The measures of all runs of an ablation.

    Attributes:
        ablation: the matrix.
        numbers: for each variant and measure the values, in the order of the seeds.
    """

    ablation: Ablation
    numbers: Mapping[str, Mapping[str, Sequence[float]]]

    @property
    def columns(self) -> list[str]:
        """The measures of the table that at least one variant has."""
        wanted = self.ablation.table or tuple(name for values in self.numbers.values() for name in values)
        return [name for name in dict.fromkeys(wanted) if any(name in values for values in self.numbers.values())]

    def to_markdown(self) -> str:
        """Return the table: for each variant and column the mean and standard deviation over seeds."""
        head = f"| | {' | '.join(self.columns)} |\n| --- |{' --- |' * len(self.columns)}\n"
        return head + "".join(
            f"| {variant} | {' | '.join(format_spread(values.get(name, ())) for name in self.columns)} |\n"
            for variant, values in self.numbers.items()
        )


def format_spread(values: Sequence[float]) -> str:
    """Return "mean ± standard deviation" with three decimals; the mean alone for one value; "–" if there are none."""
    if not values:
        return "–"
    text = f"{mean(values):.3f}" if mean(values) < 100 else f"{mean(values):.0f}"
    return text if len(values) == 1 else f"{text} ± {stdev(values):.3f}"


def ablate(
    ablation: Ablation,
    out: Path,
    *,
    backend: str | None = None,
    device: str | None = None,
    jobs: int = 1,
    skip_bad: bool = False,
    tell: Callable[[str], None] = print,
) -> Result:
    """Train and measure every unfinished run, `jobs` at a time, each in its own process (`processes.train_cells`).

    Interrupted runs continue from their last checkpoint, and interrupted computations of features from their last row.
    Each run is a directory as `alae train` writes it; `results.json` and `table.md` are written beside them.
    `skip_bad` leaves out unreadable picture files.

    Raises:
        AlaeError: an existing run has other settings, or a run fails.
        ConfigError: as `Ablation.experiment`.
    """
    cells = list_cells(ablation, out)
    for cell in cells:
        _require_same_settings(ablation, cell)
    unfinished = [cell for cell in cells if not _is_finished(ablation, cell)]
    finished = len(cells) - len(unfinished)
    tell(f"{out}: {len(cells)} runs, {finished} of them finished")
    train = partial(_train_and_measure, ablation, backend, device, skip_bad, given_plugins())
    for number, cell in enumerate(train_cells(train, unfinished, jobs), finished + 1):
        tell(f"{cell.path}: finished, {number} of {len(cells)}")
    result = collect_results(ablation, out)
    data = {"ablation": ablation.model_dump(mode="json"), "numbers": result.numbers}
    write_atomically(out / "results.json", (json.dumps(data, indent=1, ensure_ascii=False) + "\n").encode())
    write_atomically(out / "table.md", result.to_markdown().encode())
    return result


def collect_results(ablation: Ablation, out: Path) -> Result:
    """Read the evaluations of all runs. Raises AlaeError if one is missing."""
    numbers: dict[str, dict[str, list[float]]] = {variant: {} for variant in ablation.variants}
    for cell in list_cells(ablation, out):
        for name, value in read_evaluation(_evaluation_file(ablation, cell)).measures.items():
            numbers[cell.variant].setdefault(name, []).append(value)
    return Result(ablation, numbers)


def _require_same_settings(ablation: Ablation, cell: Cell) -> None:
    run, experiment = Run(cell.path), ablation.experiment(cell.variant, cell.seed)
    if not run.config.exists():
        return
    existing, wanted = (_decisive_settings(settings) for settings in (load_experiment(run.config), experiment))
    before, after = differences(existing, wanted), differences(wanted, existing)
    if before:
        raise AlaeError(
            f"{cell.path} was made with {describe_changes(before)}, but now {describe_changes(after)} is requested: "
            "choose another --out, or remove it"
        )


def _decisive_settings(experiment: Experiment) -> dict[str, Any]:
    """Return the settings that determine the numbers of a run, with its images and length."""
    settings = decisive_settings(experiment)
    settings[RUN] |= {"data": experiment.training.data, "steps": experiment.steps}
    return settings


def _is_finished(ablation: Ablation, cell: Cell) -> bool:
    path = _evaluation_file(ablation, cell)
    return path.exists() and set(ablation.measures) <= set(read_evaluation(path).asked)


def _evaluation_file(ablation: Ablation, cell: Cell) -> Path:
    steps = ablation.experiment(cell.variant, cell.seed).steps
    return cell.path / "evaluations" / f"step-{steps:08d}.json"


def _train_and_measure(
    ablation: Ablation,
    backend: str | None,
    device: str | None,
    skip_bad: bool,
    plugins: tuple[PluginRecord, ...],
    cell: Cell,
) -> None:
    """Train and measure one run in this process. Raises AlaeError if a signal stops it."""
    give_plugins(plugins)
    from alae_workbench.models.opening import open_model
    from alae_workbench.runs.train import train

    summary = train(
        ablation.base,
        overrides={**ablation.overrides, **ablation.variants[cell.variant], "seed": cell.seed},
        backend=backend,
        device=device,
        out=cell.path,
        resume=AUTO,
        skip_bad=skip_bad,
        observers=[],
    )
    if summary.stopped_by:
        raise AlaeError(f"{cell.path} was stopped by {summary.stopped_by}; run the same command again to continue")
    opened = open_model(cell.path, backend=backend, device=device)
    from alae_workbench.evaluation.evaluate import evaluate

    record_evaluation(evaluate(opened, ablation.measures or None, strict=False))
