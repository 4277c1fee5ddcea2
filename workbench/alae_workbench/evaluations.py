"""What models were found to be, as files beside their runs: written, read, and of several runs side by side."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from alae_core import AlaeError
from alae_core.files import append, read_regular, write_whole
from alae_workbench.run import Run

# What a file of an evaluation may hold at the most: bytes.
_MOST = 2**20


@dataclass(frozen=True)
class Evaluation:
    """What a model was found to be.

    Attributes:
        model: the checkpoint.
        step: its step.
        averaged: whether its running averages were measured.
        against: the data, in words.
        images: how many there were to train on, held out, and compared with samples.
        measures: by name; `evaluation.measures.MEASURES` says what each is.
        refused: why others have no answer, by name.
        asked: what was asked for, measures or groups of them; nothing stands for everything.
    """

    model: str
    step: int
    averaged: bool
    against: str
    images: Mapping[str, int]
    measures: Mapping[str, float]
    refused: Mapping[str, str]
    asked: Sequence[str]

    def to_json(self) -> bytes:
        """The content of a file that `read` reads."""
        return (json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n").encode()


def record(evaluation: Evaluation) -> Path | None:
    """Leave an evaluation in the run that its model is of: evaluations/step-….json, and a line in `metrics.jsonl`.

    Measures that are there already stay, unless they were taken anew. None where the model lies in no run.
    """
    try:
        run = Run.of(Path(evaluation.model))
    except AlaeError:
        return None
    name = "" if evaluation.averaged else "-as-trained"
    path = run.path / "evaluations" / f"step-{evaluation.step:08d}{name}.json"
    earlier = read(path) if path.exists() else None
    same = earlier is not None and (earlier.against, earlier.images) == (evaluation.against, evaluation.images)
    kept = earlier if same and earlier else None
    measures = {**(kept.measures if kept else {}), **evaluation.measures}
    asked = list(dict.fromkeys([*(kept.asked if kept else ()), *evaluation.asked]))
    whole = replace(evaluation, measures=measures, asked=asked)
    path.parent.mkdir(exist_ok=True)
    write_whole(path, whole.to_json())
    line = {"step": evaluation.step, "evaluation": dict(evaluation.measures)}
    append(run.metrics, (json.dumps(line) + "\n").encode())
    return path


def read(path: Path) -> Evaluation:
    """An evaluation that `record` left. Raises AlaeError where the file is damaged."""
    try:
        data = json.loads(read_regular(path, _MOST))
        measures = {str(name): float(value) for name, value in data["measures"].items()}
        fields: dict[str, Any] = {name: data[name] for name in Evaluation.__dataclass_fields__}
        return Evaluation(**{**fields, "measures": measures})
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise AlaeError(f"{path} is no evaluation: {error}") from error


def compared(runs: Sequence[Path]) -> dict[str, dict[str, float]]:
    """What is known of each run, by its path: its last evaluation, and what its summary says besides.

    Raises AlaeError where one of them has neither.
    """
    return {str(path): _known(path) for path in runs}


def _known(path: Path) -> dict[str, float]:
    run = Run.of(path)
    found: dict[str, float] = {}
    if run.summary.exists():
        try:
            summary = json.loads(read_regular(run.summary, _MOST))
            found = {str(name): float(value) for name, value in summary["measures"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise AlaeError(f"{run.summary} is damaged: {error}") from error
    for evaluation in sorted((run.path / "evaluations").glob("step-????????.json"))[-1:]:
        found |= read(evaluation).measures
    if not found:
        raise AlaeError(f"{path} was never measured: it has no summary.json, and alae evaluate {path} makes one")
    return found
