"""Start a run from the weights of another: which of them fit the model, and the state that training starts from."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from alae_core.config import Config
from alae_core.errors import CheckpointError
from alae_core.networks.layout import layout
from alae_core.parts import name_part

Shape = tuple[int, ...]
Arrays = Mapping[str, np.ndarray]

#: the number of weights that an error lists
_MOST = 6


class Match(NamedTuple):
    """How the weights of another run fit a model.

    Attributes:
        taken: the names of weights with the same name and shape in both, such as "F/dense0/kernel".
        fresh: those of levels of detail that the other run lacks; they keep their initial values.
        misfits: a line for each other weight of either, with both shapes.
    """

    taken: list[str]
    fresh: list[str]
    misfits: list[str]


def match_weights(state: Arrays, source: Config, config: Config, shapes: Mapping[str, Shape]) -> Match:
    """Compare the weights of another run with those of a model.

    Args:
        state: the other run's state, from training or from `alae export`.
        source: the other run's configuration.
        config: the model's configuration.
        shapes: the shapes of the model's weights, and of "w_mean" if it has one. Weights of levels that `config` lacks
            are not misfits.
    """
    given = {name: tuple(array.shape) for name, array in _source_weights(state).items()}
    if "w_mean" in state and "w_mean" in shapes:
        given["w_mean"] = tuple(state["w_mean"].shape)
    added, cut = (_list_levels(own, other) for own, other in ((config, source), (source, config)))
    found = Match([], [], [])
    for name in [*shapes, *(name for name in given if name not in shapes)]:
        theirs, own = given.get(name), shapes.get(name)
        if theirs == own:
            found.taken.append(name)
        elif theirs is None and name in added:
            found.fresh.append(name)
        elif own is not None or name not in cut:
            found.misfits.append(f"{name_part(name)}: {_format(theirs)} there, {_format(own)} here")
    return found


def require_match(match: Match, source: str) -> None:
    """Raise CheckpointError, listing weights with both shapes, if some of `source` do not fit."""
    if match.misfits:
        more = len(match.misfits) - _MOST
        shown = "; ".join(match.misfits[:_MOST]) + (f"; and {more} more" if more > 0 else "")
        raise CheckpointError(
            f"{len(match.misfits)} weights of {source} do not fit the model ({shown}); --partial starts from the "
            f"{len(match.taken)} that fit, and with --dry-run lists the others"
        )


def take_over(state: Arrays, source: Config, config: Config, initial: Arrays, match: Match) -> dict[str, np.ndarray]:
    """Return the state of a new run that starts with the weights, averages and running mean of w of another.

    Adam's moments and counts and the step are those of `initial`. The averages of an exported run are its weights too.
    A weight that is multiplied by another constant when used (`WeightSpec.scale`) is converted, so that the product
    stays the same.

    Args:
        state, source: the other run's state and configuration.
        config: the new run's configuration.
        initial: the new run's state before the first step.
        match: from `match_weights`.
    """
    before, after = ({name: spec.scale for name, spec in layout(each).items()} for each in (source, config))
    weights = _source_weights(state)
    found = dict(initial)
    for name in match.taken:
        if name == "w_mean":
            found[name] = state[name]
            continue
        ratio = before.get(name, 1) / after.get(name, 1)
        for group, array in (("weights", weights[name]), ("averages", state[f"averages/{name}"])):
            found[f"{group}/{name}"] = array if ratio == 1 else array * array.dtype.type(ratio)
    return found


def _source_weights(state: Arrays) -> dict[str, np.ndarray]:
    """Return a state's weights by name, or if it was exported its averages."""
    groups: dict[str, dict[str, np.ndarray]] = {"weights": {}, "averages": {}}
    for key, array in state.items():
        group, _, name = key.partition("/")
        if group in groups:
            groups[group][name] = array
    return groups["weights"] or groups["averages"]


def _list_levels(config: Config, other: Config) -> set[str]:
    """Return the weights of `config` at levels of detail beyond those of `other`."""
    return {name for name, spec in layout(config).items() if spec.levels and spec.levels.start >= other.lods}


def _format(shape: Shape | None) -> str:
    return "absent" if shape is None else str(shape)
