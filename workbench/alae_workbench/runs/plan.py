"""Plan and check a run before any framework is imported."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from alae_core import AlaeError, ArgumentError, Checkpoint, Config, load_checkpoint, load_config
from alae_core.backend_lookup import default_backend, find_backend
from alae_core.checkpoint_files import require_trained
from alae_core.config_data import RUN
from alae_core.lookup import find_algorithm
from alae_core.networks.layout import layout, network_shapes
from alae_core.parts import require_parts
from alae_core.sizes import require_room
from alae_core.spread import Spread
from alae_workbench.data.builtin import needs_keras
from alae_workbench.data.in_hand import open_in_hand
from alae_workbench.data.load import as_data_set, load_data
from alae_workbench.data.options import SourceOptions
from alae_workbench.data.resolve import make_absolute, require_found
from alae_workbench.data.source import DataError, DataSet
from alae_workbench.data.survey import survey, survey_contents, survey_source
from alae_workbench.data.training_data import COUNT, FINGERPRINT, source_options_of
from alae_workbench.evaluation.registry import resolve_measures
from alae_workbench.runs.devices import plan_spread
from alae_workbench.runs.fine_tuning import make_fine_tuning
from alae_workbench.runs.origin import OpenedOrigin, Origin, describe_start, open_origin
from alae_workbench.runs.proposal import IMAGES, Proposal, propose
from alae_workbench.runs.request import AUTO, RunRequest
from alae_workbench.runs.settings import (
    Experiment,
    Training,
    change_experiment,
    continue_experiment,
    load_experiment,
    resolve_best,
    resume_experiment,
)
from alae_workbench.storage.directory import Run, Summary

#: the preset that is trained by default
DEFAULT = "digits-conv"


@dataclass(frozen=True)
class Plan:
    """A run that is ready to start.

    Attributes:
        run: its directory: a new one, or that of the run to continue.
        experiment: the configuration and the settings of the training.
        backend: the backend's name.
        data_name: the training data, as named in messages.
        read: reads the images. Raises DataError if they cannot be read or do not fit the configuration, and
            ArgumentError if they are not those that the run began with; AlaeError if `training.best` needs labels, and
            they have none.
        needs_keras: whether `read` imports Keras; a backend must be loaded before.
        checkpoint: the checkpoint that it continues, or None.
        origin: the checkpoint whose weights it starts from, or None.
        reasons: a line for each choice of a configuration made for the images, or about the weights of `origin`.
        spread: the devices and processes that train together; None for one.
    """

    run: Run
    experiment: Experiment
    backend: str
    data_name: str
    read: Callable[[], DataSet]
    needs_keras: bool
    checkpoint: Checkpoint | None = None
    origin: OpenedOrigin | None = None
    reasons: Sequence[str] = ()
    spread: Spread | None = None


def plan(request: RunRequest) -> Plan:
    """Plan a run; nothing is written.

    Raises AlaeError for everything that can be refused without a framework; see `train.train`.
    """
    run = find_resumed_run(request)
    checkpoint = None
    if (run is None and request.resume not in (None, AUTO)) or (run is not None and not run.unstarted):
        checkpoint = load_checkpoint(run.path if run and request.resume == AUTO else str(request.resume))
        require_trained(checkpoint.path, checkpoint.state)
    # Continuing a run needs no proposal, unless --images changes its length.
    new = run is None and checkpoint is None and request.origin is None
    proposing = request.config is None and (new or (request.resume == AUTO and request.images is not None))
    proposal = _propose(request) if proposing else None
    if request.images is not None and not proposal:
        raise ArgumentError(
            "images", "is only for a configuration made for the data; set training.steps or growth.levels"
        )
    experiment, origin = _make_experiment(request, run, checkpoint, proposal)
    in_memory = request.in_memory is not None
    if experiment.training.data and not in_memory:
        experiment = _find_data(request, experiment, origin.checkpoint if origin else checkpoint)
    require_room(experiment.config, training=True, microbatch=experiment.training.microbatch)
    _require_parts(experiment.config)
    _require_measures(experiment)
    reasons = proposal.explain(request.changes, experiment) if proposal and not checkpoint else []
    if origin:
        reasons += describe_start(origin, experiment.config)
    backend = request.backend_name or default_backend()
    find_backend(backend)
    spread = plan_spread(request, experiment)
    if run is None:
        run = (
            Run.new(Path(request.out))
            if request.out
            else Run.choose(f"{_choose_run_name(request, proposal, origin)}-{backend}")
        )

    data_name = "images in memory" if in_memory else str(request.data or experiment.training.data)

    def read() -> DataSet:
        data = _read_data(request, experiment, checkpoint)
        best = resolve_best(experiment.training.best)
        if "labels" in best.needs and data.held_out.labels is None:
            raise AlaeError(f"training.best is {best.name}, which needs labels, but {data_name} has none")
        if checkpoint and not request.other_data:
            require_same_data(checkpoint, data)
        return data

    return Plan(
        run,
        experiment,
        backend,
        data_name,
        read,
        not in_memory and needs_keras(experiment.training.data or ""),
        checkpoint,
        origin,
        reasons,
        spread,
    )


def find_resumed_run(request: RunRequest) -> Run | None:
    """Return the run that `request` continues in its directory; None for a new one, also one that begins with a copy.

    Raises AlaeError if `resume` is not in a run.
    """
    if request.resume is None:
        return None
    if request.resume == AUTO:
        return Run.find_started(Path(str(request.out)))
    resume = Path(request.resume)
    try:
        run = Run.find(resume)
        return run if request.out is None or run.path.resolve() == Path(request.out).resolve() else None
    except AlaeError:
        if request.out is not None:
            return None
        # If it is not a checkpoint either, the error about that is clearer.
        load_checkpoint(resume)
        raise


def require_same_data(checkpoint: Checkpoint, data: DataSet) -> None:
    """Raise ArgumentError if `checkpoint` was trained on other images than `data`.

    Checkpoints of the authors and of early versions record no fingerprint, and resume on any images.
    """
    recorded = checkpoint.run.get(FINGERPRINT)
    if recorded in (None, data.fingerprint):
        return
    before, now = checkpoint.run.get(COUNT), len(data.train) + len(data.held_out)
    counts = f"{before:,} then, {now:,} now, " if isinstance(before, int) and before != now else ""
    raise ArgumentError(
        "other_data",
        f"is not set, but the run was trained on other images: {counts}with the fingerprints {str(recorded)[:12]}… and "
        f"{data.fingerprint[:12]}…; restore the images, or set it to go on with these",
    )


def _make_experiment(
    request: RunRequest, run: Run | None, checkpoint: Checkpoint | None, proposal: Proposal | None
) -> tuple[Experiment, OpenedOrigin | None]:
    """Return the experiment, and the checkpoint whose weights a new run starts from."""
    config, changes, origin = request.config, request.changes, None
    if request.origin is not None:
        path = request.origin.path if isinstance(request.origin, Summary) else request.origin
        origin = open_origin(Origin(path=str(path), partial=request.partial))
    if proposal:
        made = proposal.experiment
        requested = change_experiment(made.config, made.training.model_dump(), changes, made.config.description)
        requested = replace(requested, fitted=made.fitted and requested.config.schedule == made.config.schedule)
    elif isinstance(config, Config):
        requested = change_experiment(config, None, changes, "the configuration")
    elif config is not None:
        requested = load_experiment(config, changes)
    elif origin:
        requested = make_fine_tuning(origin, changes)
    elif checkpoint:
        requested = resume_experiment(checkpoint, changes)
    else:
        requested = load_experiment(run.config if run else DEFAULT, changes)
    if checkpoint and request.resume != AUTO:
        return requested, None
    if origin is None and requested.training.origin:
        # A YAML file names it.
        origin = open_origin(requested.training.origin)
    if origin:
        requested = replace(requested, training=requested.training.model_copy(update={"origin": origin.record}))
    if checkpoint:
        return continue_experiment(checkpoint, requested), None
    # The config.yaml of a run may have one.
    return replace(requested, config=requested.config.model_copy(update={"resumed": None})), origin


def _find_data(request: RunRequest, experiment: Experiment, checkpoint: Checkpoint | None) -> Experiment:
    """Make the path of the images absolute, so that the run opens from other directories.

    Raises DataError if the images that `checkpoint`, which the run continues or starts from, recorded are not found.
    """
    data, settings = str(experiment.training.data), checkpoint.run.get(RUN) if checkpoint else None
    if checkpoint and f"{RUN}.data" not in request.changes and data == (settings or {}).get("data"):
        place = require_found(data, checkpoint.path)
    else:
        place = make_absolute(data)
    return replace(experiment, training=experiment.training.model_copy(update={"data": place}))


def _require_parts(config: Config) -> None:
    """Raise ConfigError if `config.freeze` names parts that the networks lack, unless a plug-in defines networks."""
    if network_shapes(config).keys() == find_algorithm(config.algorithm, config.plugins).networks.keys():
        require_parts(config.freeze, layout(config))


def _require_measures(experiment: Experiment) -> None:
    """Raise AlaeError if `training.measures` or `training.best` cannot be taken of this algorithm."""
    config, training = experiment.config, experiment.training
    resolve_measures(training.measures)
    best = resolve_best(training.best)
    missing = sorted(set(best.networks) - find_algorithm(config.algorithm, config.plugins).networks.keys())
    # By default, checkpoints of a model without G or E are not ranked.
    if missing and best.name != Training.model_fields["best"].default:
        raise AlaeError(
            f"training.best is {best.name}, which needs the networks {', '.join(best.networks)}, but the algorithm "
            f"{config.algorithm} has no {', '.join(missing)}"
        )


def _propose(request: RunRequest) -> Proposal | None:
    """Make a configuration for the data; None if the default fits it, or if only Keras can read the data."""
    data = request.data
    if data is None or (isinstance(data, str) and (data == "digits" or needs_keras(data))):
        return None
    if isinstance(data, (str, Path)):
        seen = survey(str(data), SourceOptions(images=request.overrides.get(f"{RUN}.images_from")))
    elif isinstance(data, DataSet):
        seen = survey_source(data.train, "the images in memory")
    else:
        seen = survey_contents(open_in_hand(data), "the images in memory")
    height, width, channels = load_config(DEFAULT).image
    if seen.fixed == (height, width) and seen.channels == channels:
        return None
    images = IMAGES if request.images is None else request.images
    return propose(seen, images=images, cpu=request.device == "cpu")


def _choose_run_name(request: RunRequest, proposal: Proposal | None, origin: OpenedOrigin | None) -> str:
    """Return the first part of a new run's name: that of the preset or file, or of the data, or of the origin."""
    if isinstance(request.config, (str, Path)):
        return Path(request.config).stem
    if (proposal or origin) and isinstance(request.data, (str, Path)):
        return Path(request.data).expanduser().resolve().stem
    return f"{Path(origin.record.name).stem}-tuned" if origin else DEFAULT


def _read_data(request: RunRequest, experiment: Experiment, checkpoint: Checkpoint | None) -> DataSet:
    config, training = experiment.config, experiment.training
    if request.in_memory is not None:
        return as_data_set(
            request.in_memory,
            config,
            held_out=training.held_out,
            margin=training.margin,
            fit=training.fit,
            options=source_options_of(training, checkpoint),
        )
    if training.data is None:
        raise DataError(f"no training data: name a data set or a path, or set {RUN}.data")
    return load_data(
        training.data,
        config,
        margin=training.margin,
        fit=training.fit,
        held_out=training.held_out,
        skip_bad=request.skip_bad,
        options=source_options_of(training, checkpoint),
    )
