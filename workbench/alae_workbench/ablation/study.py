"""An ablation: variants of one configuration, trained from several seeds, measured alike, and what comes of it."""

import json
import multiprocessing
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from statistics import mean, stdev
from typing import Annotated, Any

import numpy as np
from pydantic import Field, NonNegativeInt, Strict

from alae_core import AlaeError, ConfigError, load_backend
from alae_core._support.dotted_keys import describe_changes, differences
from alae_core._support.files import write_whole
from alae_core._support.text import suggest
from alae_core._support.validation import Frozen, validate
from alae_core._support.yaml_text import read_text, read_yaml
from alae_core.checkpoint import checkpoints, step_of
from alae_core.plugins import default_backend
from alae_workbench.evaluation.records import read, record
from alae_workbench.runs.settings import Experiment, load_experiment
from alae_workbench.storage.directory import Run

#: where runs and results are written, unless somebody says otherwise: below this, by the ablation's name
ROOM = Path("ablations")
# What a number's deviation needs.
_TWO = 2


class Ablation(Frozen):
    """A matrix of runs: every variant from every seed."""

    description: str = ""
    base: str = Field(description="a preset, or a YAML file, that all runs have in common")
    overrides: dict[str, Any] = Field({}, description="what all runs change in it, by dotted key")
    seeds: Annotated[tuple[NonNegativeInt, ...], Strict(False)] = Field((0,), min_length=1)
    variants: dict[Annotated[str, Field(pattern=r"^[\w.+-]+$")], dict[str, Any]] = Field(
        min_length=1, description="by name what each changes, by dotted key"
    )
    metrics: Annotated[tuple[str, ...], Strict(False)] = Field((), description="measures and groups of them; all")
    table: Annotated[tuple[str, ...], Strict(False)] = Field((), description="the measures that the table shows; all")

    def experiment(self, variant: str, seed: int) -> Experiment:
        """What one run trains. Raises ConfigError."""
        return load_experiment(self.base, {**self.overrides, **self.variants[variant], "seed": seed})


@dataclass(frozen=True)
class Cell:
    """One run of an ablation."""

    variant: str
    seed: int
    path: Path


@dataclass(frozen=True)
class Result:
    """What an ablation found.

    Attributes:
        ablation: the matrix.
        numbers: for each variant and measure the value from each seed, in the order of the seeds.
    """

    ablation: Ablation
    numbers: Mapping[str, Mapping[str, Sequence[float]]]

    def first(self) -> tuple[str, int]:
        """The first variant and seed."""
        return next(iter(self.ablation.variants)), self.ablation.seeds[0]

    def markdown(self) -> str:
        """The table: for each variant the mean and the standard deviation over seeds of each measure that it shows."""
        names = self.shown()
        head = f"| | {' | '.join(names)} |\n| --- |{' --- |' * len(names)}\n"
        return head + "".join(
            f"| {variant} | {' | '.join(spread(found.get(name, ())) for name in names)} |\n"
            for variant, found in self.numbers.items()
        )

    def shown(self) -> list[str]:
        """The measures of the table that any variant has."""
        wanted = self.ablation.table or tuple(name for found in self.numbers.values() for name in found)
        return [name for name in dict.fromkeys(wanted) if any(name in found for found in self.numbers.values())]


def spread(values: Sequence[float]) -> str:
    """Mean ± standard deviation as text, as many digits as tell them apart; – for no values."""
    if not values:
        return "–"
    text = f"{mean(values):.3f}" if mean(values) < 100 else f"{mean(values):.0f}"
    return text if len(values) < _TWO else f"{text} ± {stdev(values):.3f}"


def load_ablation(
    source: str | Path,
    *,
    base: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    seeds: Sequence[int] | None = None,
) -> Ablation:
    """Read an ablation that ships, by name, or a YAML file.

    Args:
        source: its name or path.
        base: another preset or file for all runs; the ablation's own overrides, which belong to its base, are left out.
        overrides: more of them, by dotted key.
        seeds: others than its own.

    Raises ConfigError, naming the nearest one, where there is none, or where a field is wrong.
    """
    path = Path(source)
    if path.suffix in (".yaml", ".yml") or path.exists():
        text = read_text(path)
    else:
        names = ablation_names()
        if str(source) not in names:
            raise ConfigError(
                f"there is no ablation {str(source)!r}{suggest(str(source), names)}; ablations: {', '.join(names)}, or "
                "a YAML file"
            )
        text = files("alae_workbench.ablation").joinpath(f"{source}.yaml").read_text("utf-8")
    data = read_yaml(text, str(source))
    own = data.get("overrides", {}) if base is None else {}
    if overrides and isinstance(own, dict):
        own = {**own, **overrides}
    changes = {"base": base or data.get("base"), "overrides": own, "seeds": list(seeds or ()) or data.get("seeds")}
    return validate(
        Ablation, {**data, **{name: value for name, value in changes.items() if value is not None}}, str(source)
    )


def ablation_names() -> list[str]:
    """The ablations that ship, sorted."""
    entries = files("alae_workbench.ablation").iterdir()
    return sorted(entry.name.removesuffix(".yaml") for entry in entries if entry.name.endswith(".yaml"))


def cells(ablation: Ablation, out: Path) -> list[Cell]:
    """Every run, seed by seed, so that whoever stops early has all variants of the seeds that are done."""
    return [
        Cell(variant, seed, out / variant / f"seed-{seed}") for seed in ablation.seeds for variant in ablation.variants
    ]


def ablate(
    ablation: Ablation,
    out: Path,
    *,
    backend: str | None = None,
    device: str | None = None,
    jobs: int = 1,
    tell: Callable[[str], None] = print,
) -> Result:
    """Train and measure every run that is not done yet, `jobs` of them at once, each in a process of its own.

    What was interrupted goes on: a run from its last checkpoint, features where they stopped. Each run is a directory
    of `alae train`; `results.json` and `table.md` are written beside them.

    Raises AlaeError where a run that is there was made with other settings, or one fails; ConfigError as
    `Ablation.experiment`.
    """
    todo = cells(ablation, out)
    for cell in todo:
        _require_same(ablation, cell)
    left = [cell for cell in todo if not _done(ablation, cell)]
    tell(f"{out}: {len(todo)} runs, {len(todo) - len(left)} of them done")
    # A fresh process for each: a framework keeps what it compiled for another.
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), max_tasks_per_child=1) as pool:
        futures = {pool.submit(_work, ablation, cell, backend, device): cell for cell in left}
        try:
            for future in as_completed(futures):
                cell, stopped = futures[future], future.result()
                if stopped:
                    raise AlaeError(f"{cell.path}: {stopped} stopped it; the same command goes on")
                tell(f"{cell.path}: done")
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    result = gathered(ablation, out)
    data = {"ablation": ablation.model_dump(mode="json"), "numbers": result.numbers}
    write_whole(out / "results.json", (json.dumps(data, indent=1, ensure_ascii=False) + "\n").encode())
    write_whole(out / "table.md", result.markdown().encode())
    return result


def gathered(ablation: Ablation, out: Path) -> Result:
    """What the evaluations of all runs say. Raises AlaeError where one is missing."""
    numbers: dict[str, dict[str, list[float]]] = {variant: {} for variant in ablation.variants}
    for cell in cells(ablation, out):
        for name, value in read(_evaluation(ablation, cell)).measures.items():
            numbers[cell.variant].setdefault(name, []).append(value)
    return Result(ablation, numbers)


def _require_same(ablation: Ablation, cell: Cell) -> None:
    run, experiment = Run(cell.path), ablation.experiment(cell.variant, cell.seed)
    if not run.config.exists():
        return
    found, wanted = (_decisive(each) for each in (load_experiment(run.config), experiment))
    there, asked = differences(found, wanted), differences(wanted, found)
    if there:
        raise AlaeError(
            f"{cell.path} was made with {describe_changes(there)}, but is asked for with {describe_changes(asked)}: "
            "choose another --out, or remove it"
        )


def _decisive(experiment: Experiment) -> dict[str, Any]:
    """What decides the numbers that come of a run."""
    training = experiment.training.model_dump(mode="json", include={"data", "margin", "fit", "mirror", "held_out"})
    config = experiment.config.model_dump(mode="json", exclude={"description"})
    return {**config, "training": {**training, "steps": experiment.steps}}


def _done(ablation: Ablation, cell: Cell) -> bool:
    path = _evaluation(ablation, cell)
    return path.exists() and set(ablation.metrics) <= set(read(path).asked)


def _evaluation(ablation: Ablation, cell: Cell) -> Path:
    steps = ablation.experiment(cell.variant, cell.seed).steps
    return cell.path / "evaluations" / f"step-{steps:08d}.json"


def _work(ablation: Ablation, cell: Cell, backend: str | None, device: str | None) -> str | None:
    """Train and measure one run, in a process of its own; the signal that stopped it, if one did."""
    from alae_workbench.models.opening import open_model
    from alae_workbench.runs.train import train

    run, experiment = Run(cell.path), ablation.experiment(cell.variant, cell.seed)
    kept = checkpoints(run.checkpoints) if run.checkpoints.is_dir() else []
    if not kept or step_of(kept[-1]) < experiment.steps:
        given: dict[str, Any] = {"resume": cell.path} if kept else {"out": cell.path}
        if not kept:
            changes = {**ablation.overrides, **ablation.variants[cell.variant], "seed": cell.seed}
            given |= {"config": ablation.base, "overrides": changes}
        summary = train(backend=backend, device=device, observers=[], **given)
        if summary.stopped_by:
            return summary.stopped_by
    opened = open_model(cell.path, backend=backend, device=device)
    from alae_workbench.evaluation.evaluate import evaluate

    record(evaluate(opened, ablation.metrics or None, strict=False))
    return None


def illustrate(result: Result, out: Path, *, backend: str | None = None, device: str | None = None) -> list[Path]:
    """Two figures beside the runs: measures.png, every seed visible; images.png, of each variant's first seed."""
    load_backend(backend or default_backend(), device, result.ablation.experiment(*result.first()).config.precision)
    from alae_workbench.evaluation.registry import MEASURES
    from alae_workbench.figures.grid import compose_grid
    from alae_workbench.figures.plots import plot_bars
    from alae_workbench.figures.save import save_figure
    from alae_workbench.models.opening import open_model
    from alae_workbench.models.sampling import ROW, sample, untruncated_psi

    ablation = result.ablation
    labels = {name: f"{name.replace('_', ' ')} {MEASURES[name].arrow}".rstrip() for name in result.shown()}
    caption = f"{ablation.base}, {len(ablation.seeds)} seeds: bars are means, dots single runs"
    plot, grid = out / "measures.png", out / "images.png"
    save_figure(plot, plot_bars(result.numbers, labels, caption))
    sections: list[tuple[str, list[np.ndarray]]] = []
    for variant in ablation.variants:
        opened = open_model(out / variant / f"seed-{ablation.seeds[0]}", backend=backend, device=device)
        x, classes = opened.read_images(limit=ROW)
        model, rows, shown = opened.model, [], []
        if model.has("GE"):
            rows.append(model.reconstruct(x, labels=classes))
            shown.append("reconstructions")
        if model.has("GF"):
            rows.append(sample(model, ROW, psi=untruncated_psi(model)))
            shown.append("samples")
        sections.append((f"{variant}: {' and '.join(shown)}", rows))
    sections.insert(0, ("real images, held out of training", [x]))
    caption = f"{ablation.base} · {opened.make_caption(f'seed {ablation.seeds[0]}').partition(' · ')[2]}"
    save_figure(grid, compose_grid(sections, caption))
    return [plot, grid]
