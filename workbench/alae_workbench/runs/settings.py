"""An experiment: what the specification says of a model, and how its training run goes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import indent
from typing import Annotated, Any

from pydantic import Field, Strict

from alae_core import Checkpoint, Config, ConfigError
from alae_core._support.yaml_settings import Count, to_explained_yaml, to_yaml, validate
from alae_core.config import RUN, SPECIFICATION, make_config, read_config
from alae_core.growth import scheduled_steps
from alae_workbench.data.training_data import TrainingData


class Training(TrainingData):
    """The images, length and records of a run: the group `training` of a YAML file."""

    steps: Count | None = Field(
        None,
        description="training steps in all; each runs every update once. By default what the growth schedule takes",
    )
    report_every: Count = Field(50, description="steps between two records of the losses")
    checkpoint_every: Count = Field(1000, description="steps between two checkpoints")
    keep_checkpoints: Count = Field(3, description="newest checkpoints kept, besides the best")
    measures: Annotated[tuple[str, ...], Strict(False)] = Field(
        (), description="measures, or groups of them, that a run takes besides its usual ones: see `alae measures`"
    )
    measure_every: Count = Field(
        1000, description="steps between two times that these are taken; longer where that is a twentieth of the time"
    )
    best: str = Field("reconstruction_error", description="the measure by which a checkpoint is kept as the best")
    grid_every: Count = Field(100_000, description="training images between two grids")


@dataclass(frozen=True)
class Experiment:
    """A configuration and its training, which stand in one YAML file and are changed by the same dotted keys.

    Raises ConfigError where the two do not fit together.
    """

    config: Config
    training: Training = field(default_factory=lambda: Training.model_validate({}))

    def __post_init__(self) -> None:
        if 2 * self.training.margin >= min(self.config.image[:2]):
            raise ConfigError(
                f"training.margin is {self.training.margin}, which leaves nothing of images of {self.config.image}"
            )
        if self.training.steps is None and self.config.growth is None:
            raise ConfigError("the key 'training.steps' is missing: only a growth schedule says how long to train")

    @property
    def steps(self) -> int:
        """Training steps in all."""
        return self.training.steps or scheduled_steps(self.config) or 0

    def to_yaml(self) -> str:
        """Both as YAML text that `load_experiment` reads back to an equal experiment."""
        return to_yaml({**self.config.data(), RUN: self.training.model_dump(mode="json")})

    def to_explained_yaml(self) -> str:
        """The same with a comment beside each key: what a person edits."""
        training = indent(to_explained_yaml(self.training), "  ")
        return f"specification: {SPECIFICATION}\n{to_explained_yaml(self.config)}{RUN}:\n{training}"


def load_experiment(source: str | Path, overrides: Mapping[str, Any] | None = None) -> Experiment:
    """Read a preset's name or a YAML file's path, with some fields changed: `alae_core.load_config`, and its training.

    Raises ConfigError as `load_config` does.
    """
    return _experiment(read_config(source, overrides), str(source))


def changed(
    config: Config, training: Mapping[str, Any] | None, overrides: Mapping[str, Any], source: str
) -> Experiment:
    """The experiment of a configuration in hand, and what is known of its training, with some fields changed."""
    return _experiment(read_config({**config.data(), RUN: dict(training or {})}, overrides), source)


def training_of(checkpoint: Checkpoint) -> Training:
    """How the run that wrote `checkpoint` goes, as far as that is known."""
    return validate(Training, checkpoint.run.get(RUN) or {}, str(checkpoint.path), prefix=RUN)


def resumed(checkpoint: Checkpoint, overrides: Mapping[str, Any] | None = None) -> Experiment:
    """The experiment that goes on from `checkpoint`. Raises ConfigError where its seed is to be another."""
    found = changed(checkpoint.config, training_of(checkpoint).model_dump(), overrides or {}, str(checkpoint.path))
    if found.config.seed != checkpoint.config.seed:
        raise ConfigError(
            f"the run was started with seed {checkpoint.config.seed}: it goes on with that, or a new run is started"
        )
    return found


def _experiment(data: Mapping[str, Any], source: str) -> Experiment:
    for key in sorted(data.keys() & Training.model_fields.keys()):
        raise ConfigError(f"{source}: unknown key {key!r}; did you mean {f'{RUN}.{key}'!r}?")
    return Experiment(make_config(data, source=source), validate(Training, data.get(RUN) or {}, source, prefix=RUN))
