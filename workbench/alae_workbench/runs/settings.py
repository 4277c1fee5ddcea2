"""The settings of a run: a model's configuration and the settings of its training, in one YAML file."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import isclose
from pathlib import Path
from textwrap import indent
from typing import Annotated, Any

from pydantic import Field, Strict

from alae_core import AlaeError, Checkpoint, Config, ConfigError, View
from alae_core._support.dotted_keys import describe_changes, differences
from alae_core._support.validation import Count, validate
from alae_core._support.yaml_text import to_explained_yaml, to_yaml
from alae_core.config import make_config
from alae_core.config_data import RUN, SPECIFICATION, read_config
from alae_core.growth import Position, count_shown, position, scheduled_steps
from alae_core.passes import require_microbatch
from alae_workbench.data.training_data import TrainingData
from alae_workbench.evaluation.registry import MEASURES, Measure, resolve_measures
from alae_workbench.runs.origin import Origin


class Training(TrainingData):
    """The images, length and records of a run: the group `training` of a YAML file."""

    steps: Count | None = Field(
        None,
        description="training steps in all; each runs every update once. By default the length of the growth schedule",
    )
    microbatch: Count | None = Field(
        None,
        description="images per pass: a larger batch is computed in several passes, which take the memory of one; it "
        "must divide the batch. By default a batch is one pass",
    )
    report_every: Count = Field(50, description="steps between two records of the losses")
    checkpoint_every: Count = Field(1000, description="steps between two checkpoints")
    checkpoint_minutes: Annotated[float, Field(gt=0)] = Field(
        10.0, description="minutes after which a checkpoint is written too, if steps are slow"
    )
    keep_checkpoints: Count = Field(3, description="number of newest checkpoints to keep, besides the best")
    measures: Annotated[tuple[str, ...], Strict(False)] = Field(
        (), description="measures, or groups of them, to take besides the usual ones: see `alae measures`"
    )
    measure_every: Count = Field(
        1000, description="steps between two evaluations of `measures`; more if they would take over 1/20 of the time"
    )
    best: str = Field("reconstruction_error", description="the measure that selects the best checkpoint")
    grid_every: Count = Field(
        100_000,
        description="training images between two grids; the first grid is drawn earlier, after about 10 seconds of "
        "training, if that many images take longer",
    )
    origin: Origin | None = Field(
        None, description="the checkpoint whose weights the run starts from; docs/fine-tuning.md"
    )


@dataclass(frozen=True)
class Experiment:
    """A configuration and the settings of its training: one YAML file, changed by the same dotted keys.

    Attributes:
        config: the configuration.
        training: the settings of the training.
        fitted: whether the length of `config.schedule` was not given, and so is that of the training.

    Raises ConfigError if the two do not fit together.
    """

    config: Config
    training: Training = field(default_factory=lambda: Training.model_validate({}))
    fitted: bool = field(default=False, compare=False)

    def __post_init__(self) -> None:
        if 2 * self.training.margin >= min(self.config.image[:2]):
            raise ConfigError(
                f"training.margin is {self.training.margin}, which leaves nothing of images of {self.config.image}"
            )
        if self.training.steps is None and self.config.growth is None:
            raise ConfigError("the key 'training.steps' is missing: only a growth schedule implies the length")
        require_microbatch(self.config, self.training.microbatch, f"{RUN}.microbatch")

    @property
    def steps(self) -> int:
        """Training steps in all."""
        return self.training.steps or scheduled_steps(self.config) or 0

    def to_yaml(self) -> str:
        """Return YAML text that `load_experiment` reads back to an equal experiment."""
        return to_yaml({**self.config.data(), RUN: self.training.model_dump(mode="json")})

    def to_explained_yaml(self) -> str:
        """Return the same text with a comment beside each key, for editing by hand."""
        training = indent(to_explained_yaml(self.training), "  ")
        return f"specification: {SPECIFICATION}\n{to_explained_yaml(self.config)}{RUN}:\n{training}"


def load_experiment(source: str | Path, overrides: Mapping[str, Any] | None = None) -> Experiment:
    """Read a preset or a YAML file, with `overrides` by dotted key.

    Raises ConfigError as `alae_core.load_config`.
    """
    return _parse_experiment(read_config(source, overrides), str(source))


def change_experiment(
    config: Config, training: Mapping[str, Any] | None, overrides: Mapping[str, Any], source: str
) -> Experiment:
    """Make an experiment of `config`, the fields of `training` and `overrides`; `source` denotes it in errors."""
    return _parse_experiment(read_config({**config.data(), RUN: dict(training or {})}, overrides), source)


def read_training(checkpoint: Checkpoint) -> Training:
    """Read the training settings of the run that wrote `checkpoint`; defaults for fields it did not record."""
    return validate(Training, checkpoint.run.get(RUN) or {}, str(checkpoint.path), prefix=RUN)


def resume_experiment(checkpoint: Checkpoint, overrides: Mapping[str, Any] | None = None) -> Experiment:
    """Return the experiment that continues `checkpoint`, with `overrides`, after as many images at each level.

    Batch sizes, learning rates, γ and lengths may change. Raises ConfigError for another seed, or if the level of
    detail or its blend would change.
    """
    source, training = str(checkpoint.path), read_training(checkpoint).model_dump()
    experiment = change_experiment(checkpoint.config, training, overrides or {}, source)
    if experiment.config.seed != checkpoint.config.seed:
        raise ConfigError(
            f"seed is {experiment.config.seed}, but the run was started with seed {checkpoint.config.seed}; "
            "keep that seed, or start a new run"
        )
    if count_shown(experiment.config, checkpoint.step) != checkpoint.shown:
        resumed = {"resumed": {"step": checkpoint.step, "shown": list(checkpoint.shown)}}
        experiment = change_experiment(checkpoint.config, training, {**(overrides or {}), **resumed}, source)
    _require_same_position(checkpoint, experiment.config)
    return experiment


def describe_resumption(checkpoint: Checkpoint, experiment: Experiment) -> list[str]:
    """Return lines about settings that differ from those of `checkpoint`, and about the images that the run shows."""
    before = Experiment(checkpoint.config, read_training(checkpoint))
    old, new = ({**_settings(each.config), RUN: each.training.model_dump(mode="json")} for each in (before, experiment))
    lines = []
    if changed := differences(new, old):
        lines.append(f"changed: {describe_changes(changed)}; before: {describe_changes(differences(old, new))}")
    end, shown = experiment.steps, position(experiment.config, experiment.steps).shown
    planned = position(checkpoint.config, before.steps).shown
    if end == before.steps and shown != planned:
        lines.append(f"{end:,} steps show {shown:,} images in all, instead of {planned:,}: --steps changes the length")
    return lines


def _require_same_position(checkpoint: Checkpoint, config: Config) -> None:
    before, now = (position(each, checkpoint.step) for each in (checkpoint.config, config))
    if before.stage.lod == now.stage.lod and isclose(before.blend, now.blend, abs_tol=1e-9):
        return
    changed = differences(_settings(config), _settings(checkpoint.config))
    raise ConfigError(
        f"{describe_changes(changed)} would move the run from {_describe_view(before)} to {_describe_view(now)} after "
        f"{before.shown:,} images: keep the images and the fade of the level that the run is at, or start a new run"
    )


def _describe_view(at: Position) -> str:
    return "training without levels" if at.view is None else f"{View(at.view.lod)} at blend {at.blend:.3g}"


def resolve_best(name: str) -> Measure:
    """Return the measure `training.best`, which selects the best checkpoint.

    Raises AlaeError if it is unknown, or models cannot be ranked by it.
    """
    resolved = resolve_measures([name])
    measure = MEASURES[resolved[0]]
    if measure.name != name or not measure.better:
        ranked = ", ".join(other.name for other in MEASURES.values() if other.better)
        raise AlaeError(f"training.best is {name!r}; it must be a measure that can be ranked: {ranked}")
    return measure


def continue_experiment(checkpoint: Checkpoint, requested: Experiment) -> Experiment:
    """Return the experiment that continues `checkpoint` with the length and records of `requested`.

    A schedule without a given length keeps the length that it had when the run started.

    Raises ConfigError if the two differ in a setting that determines the numbers.
    """
    started = resume_experiment(checkpoint)
    schedule, config = started.config.schedule, requested.config
    if requested.fitted and schedule is not None and config.schedule is not None:
        config = config.model_copy(update={"schedule": config.schedule.model_copy(update={"images": schedule.images})})
    before, now = (decisive_settings(each) for each in (started, replace(requested, config=config)))
    if before != now:
        raise ConfigError(
            f"{checkpoint.path} was trained with {describe_changes(differences(before, now))}, but now "
            f"{describe_changes(differences(now, before))} is requested: use the settings of that run, change them "
            "with --resume RUN --set KEY=VALUE, or choose another --out"
        )
    return replace(requested, config=started.config)


def decisive_settings(experiment: Experiment) -> dict[str, Any]:
    """Return the settings that determine the numbers of a run, except the path of its images and its length."""
    training = experiment.training.model_dump(mode="json", include=TrainingData.model_fields.keys() - {"data"})
    if origin := experiment.training.origin:
        training["origin"] = {"sha256": origin.sha256, "partial": origin.partial}
    return {**_settings(experiment.config), RUN: training}


def _settings(config: Config) -> dict[str, Any]:
    """Return the settings of a configuration that users choose, as plain data."""
    return config.model_dump(mode="json", exclude={"description", "resumed"})


def _parse_experiment(data: Mapping[str, Any], source: str) -> Experiment:
    for key in sorted(data.keys() & Training.model_fields.keys()):
        raise ConfigError(f"{source}: unknown key {key!r}; did you mean {f'{RUN}.{key}'!r}?")
    training = validate(Training, data.get(RUN) or {}, source, prefix=RUN)
    return _fill_schedule(Experiment(make_config(data, source=source), training))


def _fill_schedule(experiment: Experiment) -> Experiment:
    """Let a schedule of no given length end with the run."""
    config, schedule = experiment.config, experiment.config.schedule
    if schedule is None or schedule.images is not None:
        return experiment
    ended = schedule.model_copy(update={"images": position(config, experiment.steps).shown or None})
    return replace(experiment, config=config.model_copy(update={"schedule": ended}), fitted=True)
