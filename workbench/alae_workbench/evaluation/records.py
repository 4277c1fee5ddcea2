"""Records of evaluations: JSON files in run directories, and tables that compare several runs."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import Field, FiniteFloat, NonNegativeInt, Strict

from alae_core import AlaeError, load_config
from alae_core._support.files import append, read_regular, write_atomically
from alae_core._support.html import make_table, make_title
from alae_core._support.json_lines import encode_line, format_time
from alae_core._support.text import count_things
from alae_core._support.validation import Frozen, validate
from alae_core.checkpoint_files import checkpoints, load_manifest
from alae_core.growth import position
from alae_core.run_archive import ZIP
from alae_workbench.evaluation.doubts import conclude, find_doubt
from alae_workbench.evaluation.registry import MEASURES
from alae_workbench.storage.directory import Run

# Maximum size of an evaluation's file in bytes, and of the data's name within the name of that file in characters.
_MOST_BYTES, _MOST_CHARACTERS = 2**20, 40


class Evaluation(Frozen):
    """The measures of one model on one data set."""

    model: str = Field(description="path of the checkpoint")
    step: NonNegativeInt = Field(description="its training step")
    shown: NonNegativeInt | None = Field(None, description="training images shown until then; None in earlier files")
    lod: NonNegativeInt | None = Field(
        None, description="level of detail of the images; None for networks that do not grow, and in earlier files"
    )
    averaged: bool = Field(description="whether the averaged networks were measured")
    against: str = Field(description="SOURCE of the images")
    own: bool = Field(description="whether that is the data of the run")
    labels: str | None = Field(None, description="the user's choice among the labels of the images; None for no choice")
    count: NonNegativeInt | None = Field(description="maximum number of z, held-out images and samples; None for all")
    images: dict[str, int] = Field(description="numbers of training images, held-out images and samples")
    measures: dict[str, FiniteFloat] = Field(description="values by name, as in `registry.MEASURES`")
    refused: dict[str, str] = Field(description="reasons why other measures have no value, by name")
    asked: Annotated[tuple[str, ...], Strict(False)] = Field(
        description="the measures and groups that were requested; empty for all"
    )

    def conclude(self) -> str:
        """Return the sentence of `doubts.conclude`, or for images that the model was not trained on their numbers."""
        if self.own:
            return conclude(self.measures, self.images)
        train, held_out = self.images["train"], self.images["held_out"]
        return (
            f"the model was not trained on {self.against}: {count_things(held_out, 'image')} of it served as held-out "
            f"images, and {train:,} others in place of training images"
        )

    @property
    def file(self) -> str:
        """Its file's name; other networks, data, labels and counts have their own, so a full evaluation stays."""
        data, labels = (
            re.sub(r"[^\w.]+", "-", Path(name).name)[:_MOST_CHARACTERS] for name in (self.against, self.labels or "")
        )
        parts = [
            f"step-{self.step:08d}",
            *([] if self.averaged else ["as-trained"]),
            *([] if self.own else [f"against-{data}"]),
            *([] if self.labels is None else [f"labels-{labels}"]),
            *([] if self.count is None else [f"of-{self.count}"]),
        ]
        return "-".join(parts) + ".json"

    def rows(self) -> list[dict[str, Any]]:
        """Return the measures as a list of flat dictionaries, such as for `pandas.DataFrame`."""
        same = {"model": self.model, "step": self.step, "averaged": self.averaged, "against": self.against}
        return [
            {**same, **describe_measure(name), "value": value, "doubt": find_doubt(name, self.measures, self.images)}
            for name, value in self.measures.items()
        ]

    def _repr_html_(self) -> str:
        columns = ("measure", "value", "better", "description", "doubt")
        rows = [{key: row[key] for key in columns if row[key] or key != "doubt"} for row in self.rows()]
        networks = "averaged networks" if self.averaged else "networks as trained"
        reasons = [f"not measured: {name}: {reason}" for name, reason in self.refused.items()]
        below = map(make_title, [self.conclude(), *reasons])
        return make_table(rows, f"{self.model}, {networks}, measured on {self.against}") + "".join(below)

    def to_json(self) -> bytes:
        """Return the content of its file."""
        return (json.dumps(self.model_dump(), indent=2, ensure_ascii=False) + "\n").encode()


def describe_measure(name: str) -> dict[str, str]:
    """Return a measure's name, which values are better, and its description, as in the table of measures."""
    known = MEASURES.get(name)
    better, description = (known.better, known.description) if known else ("", "")
    return {"measure": name, "better": better, "description": description}


def record_evaluation(evaluation: Evaluation) -> Path | None:
    """Write an evaluation into its run's `evaluations` folder, and append it to `metrics.jsonl`.

    Measures that the file already has stay, unless they were taken again or the images differ.

    Returns the file, or None if the checkpoint is not inside a run directory, or is in a .zip of `alae export`.
    """
    path = locate_record(evaluation)
    if path is None:
        return None
    earlier = read_evaluation(path) if path.exists() else None
    if earlier and (earlier.against, earlier.images) != (evaluation.against, evaluation.images):
        earlier = None
    measures = {**(earlier.measures if earlier else {}), **evaluation.measures}
    asked = tuple(dict.fromkeys([*(earlier.asked if earlier else ()), *evaluation.asked]))
    merged = evaluation.model_copy(update={"measures": measures, "asked": asked})
    path.parent.mkdir(exist_ok=True)
    write_atomically(path, merged.to_json())
    level = {} if evaluation.lod is None else {"lod": evaluation.lod}
    record = {"step": evaluation.step, "time": format_time(), "images": evaluation.shown, **level}
    append(Run(path.parent.parent).metrics, encode_line({**record, "evaluation": dict(evaluation.measures)}))
    return path


def locate_record(evaluation: Evaluation) -> Path | None:
    """Return the file of an evaluation in its run's directory.

    None if the checkpoint is not inside a run directory, or is in a .zip of `alae export`.
    """
    if Path(evaluation.model).suffix == ZIP:
        return None
    try:
        run = Run.find(Path(evaluation.model))
    except AlaeError:
        return None
    return run.path / "evaluations" / evaluation.file


def read_evaluation(path: Path) -> Evaluation:
    """Read an evaluation's file. Raises AlaeError if it is damaged."""
    try:
        data = json.loads(read_regular(path, _MOST_BYTES))
    except (OSError, ValueError, RecursionError) as error:
        raise AlaeError(f"{path} is not an evaluation: {getattr(error, 'strerror', None) or error}") from error
    return validate(Evaluation, data, str(path))


class RunMeasures(NamedTuple):
    """The measures of a run.

    Attributes:
        measures: values by name.
        level: the level of detail that they were taken at, such as "8×8".
        images: numbers of images by kind, as in `Evaluation`; empty if unknown.
    """

    measures: dict[str, float]
    level: str
    images: dict[str, int]


def compare_runs(runs: Sequence[Path]) -> dict[str, RunMeasures]:
    """Return each run's measures by its path: those of its last evaluation, and others from its summary.

    A full evaluation of the run's own data is preferred to others; exported runs have the measures of their card.
    Measures at different levels must not be ranked: images of fewer pixels have lower errors.

    Raises AlaeError if a run has no measures, or its configuration cannot be read.
    """
    return {str(path): _read_run(path) for path in runs}


def _read_run(path: Path) -> RunMeasures:
    run, measures, step, images = Run.find(path), dict[str, float](), 0, dict[str, int]()
    try:
        if run.summary.exists():
            source = run.summary
            summary = json.loads(read_regular(source, _MOST_BYTES))
            measures, step = _parse_measures(summary["measures"]), int(summary["step"])
            images = {str(kind): int(count) for kind, count in summary.get("images", {}).items()}
        elif exported := checkpoints(run.checkpoints)[-1:]:
            source = exported[0]
            manifest = load_manifest(source)
            card = (manifest.run or {}).get("card", {"measures": {}, "images": {}})
            measures, step = _parse_measures(card["measures"]), manifest.step
            images = {str(kind): int(count) for kind, count in card["images"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise AlaeError(f"{source} is damaged: {error}") from error
    evaluations = sorted((run.path / "evaluations").glob("step-*.json"))
    full = [file for file in evaluations if file.stem.count("-") == 1]
    for file in (full or evaluations)[-1:]:
        evaluation = read_evaluation(file)
        measures, step, images = measures | evaluation.measures, evaluation.step, evaluation.images
    if not measures:
        raise AlaeError(f"{path} has no measures: `alae evaluate {path}` takes them")
    config = load_config(run.config)
    view, (height, width, _) = position(config, max(step - 1, 0)).view, config.image
    return RunMeasures(measures, f"{height}×{width}" if view is None else str(view), images)


def _parse_measures(values: Mapping[str, Any]) -> dict[str, float]:
    return {str(name): float(value) for name, value in values.items()}
