"""What models were found to be, as files beside their runs: written, read, and of several runs side by side."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field, FiniteFloat, NonNegativeInt, Strict

from alae_core import AlaeError
from alae_core._support.files import append, read_regular, write_whole
from alae_core._support.validation import Frozen, validate
from alae_workbench.storage.directory import Run

# What a file of an evaluation may hold at the most, in bytes; and what of a data set's name is in its own.
_MOST, _LONGEST = 2**20, 40


class Evaluation(Frozen):
    """What a model was found to be."""

    model: str = Field(description="the checkpoint")
    step: NonNegativeInt = Field(description="its step")
    averaged: bool = Field(description="whether its running averages were measured")
    against: str = Field(description="the data, in words")
    own: bool = Field(description="whether that is the data of the run")
    count: NonNegativeInt | None = Field(
        description="how many z, images and samples were looked at at the most; None: all"
    )
    images: dict[str, int] = Field(description="how many there were to train on, held out, and compared with samples")
    measures: dict[str, FiniteFloat] = Field(description="by name; `evaluation.measures.MEASURES` says what each is")
    refused: dict[str, str] = Field(description="why others have no answer, by name")
    asked: Annotated[tuple[str, ...], Strict(False)] = Field(
        description="what was asked for, measures or groups of them; nothing stands for everything"
    )

    @property
    def file(self) -> str:
        """What its file is called: a look at less, or at other data, never takes the place of the whole one."""
        other = re.sub(r"[^\w.]+", "-", Path(self.against).name)[:_LONGEST]
        parts = [
            f"step-{self.step:08d}",
            *([] if self.averaged else ["as-trained"]),
            *([] if self.own else [f"against-{other}"]),
            *([] if self.count is None else [f"of-{self.count}"]),
        ]
        return "-".join(parts) + ".json"

    def to_json(self) -> bytes:
        """The content of a file that `read` reads."""
        return (json.dumps(self.model_dump(), indent=2, ensure_ascii=False) + "\n").encode()


def record(evaluation: Evaluation) -> Path | None:
    """Leave an evaluation in the run that its model is of: below evaluations/, and as a line in `metrics.jsonl`.

    Measures that are there already stay, unless they were taken anew, or of other images. None where the model lies in
    no run.
    """
    try:
        run = Run.of(Path(evaluation.model))
    except AlaeError:
        return None
    path = run.path / "evaluations" / evaluation.file
    earlier = read(path) if path.exists() else None
    if earlier and (earlier.against, earlier.images) != (evaluation.against, evaluation.images):
        earlier = None
    measures = {**(earlier.measures if earlier else {}), **evaluation.measures}
    asked = tuple(dict.fromkeys([*(earlier.asked if earlier else ()), *evaluation.asked]))
    whole = evaluation.model_copy(update={"measures": measures, "asked": asked})
    path.parent.mkdir(exist_ok=True)
    write_whole(path, whole.to_json())
    line = {"step": evaluation.step, "evaluation": dict(evaluation.measures)}
    append(run.metrics, (json.dumps(line) + "\n").encode())
    return path


def read(path: Path) -> Evaluation:
    """An evaluation that `record` left. Raises AlaeError where the file is damaged."""
    try:
        data = json.loads(read_regular(path, _MOST))
    except (OSError, ValueError, RecursionError) as error:
        raise AlaeError(f"{path} is no evaluation: {getattr(error, 'strerror', None) or error}") from error
    return validate(Evaluation, data, str(path))


def compared(runs: Sequence[Path]) -> dict[str, dict[str, float]]:
    """What is known of each run, by its path: its last evaluation, a whole one if there is any, and its summary.

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
    there = sorted((run.path / "evaluations").glob("step-*.json"))
    whole = [path for path in there if path.stem.count("-") == 1]
    for evaluation in (whole or there)[-1:]:
        found |= read(evaluation).measures
    if not found:
        raise AlaeError(f"{path} was never measured: it has no summary.json, and alae evaluate {path} makes one")
    return found
