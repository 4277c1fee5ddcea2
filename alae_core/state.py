"""The state of a training run as named NumPy arrays, which checkpoints hold and every backend can continue from.

    weights/F/dense0/kernel                       a weight
    averages/F/dense0/kernel                      its running average
    adam/generator/F/m/dense0/kernel, …/v/…       the moments of one Adam for one network
    adam/generator/F/t                            the number of steps of that network with them
    w_mean                                        the running mean of w = F(z), of style networks
    augment_p                                     the probability of augmentation's transformations, if it adapts
    step                                          training steps done

Random numbers need no state: seed, step and update decide every draw.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import DTypeLike

from alae_core.config import Config
from alae_core.errors import CheckpointError
from alae_core.updates import Update

Shape = tuple[int, ...]


def adams(updates: Iterable[Update]) -> list[tuple[str, str]]:
    """Return every (Adam, network) pair, each of which has its own moments, in order of first use."""
    return list(dict.fromkeys((adam, network) for update in updates for network, adam in update.trains.items()))


def moment_name(adam: str, moment: str, weight: str) -> str:
    """Return the name of the moment "m" or "v" that the Adam `adam` has for `weight`, such as "F/dense0/kernel"."""
    network, variable = weight.split("/", 1)
    return f"adam/{adam}/{network}/{moment}/{variable}"


def count_name(adam: str, weight: str) -> str:
    """Return the name of the step count that the Adam `adam` has for the network of `weight`."""
    return f"adam/{adam}/{weight.split('/', 1)[0]}/t"


def shapes(
    config: Config, updates: Sequence[Update], weights: Mapping[str, Shape], w_mean: Shape | None
) -> dict[str, Shape]:
    """Return the shape of every array of a state, from those of a model's weights and its running mean of w."""
    found: dict[str, Shape] = {"step": ()}
    for group in ("weights", "averages"):
        found |= {f"{group}/{name}": shape for name, shape in weights.items()}
    if w_mean is not None:
        found["w_mean"] = w_mean
    if config.adapts:
        found["augment_p"] = ()
    for adam, network in adams(updates):
        own = {name: shape for name, shape in weights.items() if name.startswith(f"{network}/")}
        found[f"adam/{adam}/{network}/t"] = ()
        found |= {moment_name(adam, moment, name): shape for name, shape in own.items() for moment in "mv"}
    return found


def initial_state(
    config: Config, updates: Sequence[Update], weights: Mapping[str, np.ndarray], w_mean: np.ndarray | None
) -> dict[str, np.ndarray]:
    """Return the state before the first step, from a model's weights by name and its running mean of w."""
    given = {f"{group}/{name}": value for group in ("weights", "averages") for name, value in weights.items()}
    if w_mean is not None:
        given["w_mean"] = w_mean
    dtype = next(iter(weights.values())).dtype
    if config.augment is not None and config.adapts:
        given["augment_p"] = np.array(config.augment.p, dtype)
    needed = shapes(
        config, updates, {name: w.shape for name, w in weights.items()}, None if w_mean is None else w_mean.shape
    )
    return {
        name: given[name].copy() if name in given else np.zeros(shape, dtype if shape else np.int64)
        for name, shape in needed.items()
    }


def require_same_arrays(expected: Mapping[str, Shape], arrays: Mapping[str, np.ndarray]) -> None:
    """Raise CheckpointError unless `arrays` has exactly the expected names and shapes."""
    missing, unknown = sorted(expected.keys() - arrays.keys()), sorted(arrays.keys() - expected.keys())
    if missing or unknown:
        raise CheckpointError(
            f"the arrays do not fit the model: missing {missing[:3] or 'none'}, unknown {unknown[:3] or 'none'}"
        )
    for name, shape in expected.items():
        if tuple(arrays[name].shape) != shape:
            raise CheckpointError(f"{name} has shape {tuple(arrays[name].shape)}, but the model needs {shape}")


def as_dtype(name: str, array: np.ndarray, dtype: DTypeLike) -> np.ndarray:
    """Return the array `name` in another dtype. Raises CheckpointError if that dtype cannot hold one of its numbers."""
    try:
        with np.errstate(over="raise", invalid="raise"):
            return np.asarray(array, dtype)
    except FloatingPointError as error:
        raise CheckpointError(f"{name} has numbers that are too large for {np.dtype(dtype)}") from error
