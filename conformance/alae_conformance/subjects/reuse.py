"""Calls with arrays that change later, like those of a data loader that reuses its buffers.

They must run in the subject's process, because sending arrays copies them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import cycle
from typing import Any, Literal, TypeVar

import numpy as np

from alae_conformance.subjects import Arrays, Batches, Inputs, Subject, shown_update

#: the result of a subject's `put`
PutBatch = TypeVar("PutBatch")
#: batches that are put before the first step, and the difference of losses that rounding may cause
_PUT, _SAME = 21, 1e-2
#: calls with arrays that may get the addresses of deleted ones
_DELETED = 3


def shared_arrays(subject: Subject, batches: Batches) -> list[str]:
    """See `Subject.shared_arrays`."""
    state, held = subject.state(), subject.model_state()
    returned = {
        f"{kind}/{name}": array
        for kind in ("weights", "averages")
        for name, array in subject.weights(averaged=kind == "averages").items()
    }
    kept = {name: np.array(array) for name, array in state.items()}
    subject.run(batches, 1)
    results = (state | held | returned).items()
    shared = [f"{name}, which cannot be written" for name, array in results if not array.flags.writeable]
    shared += [f"{name} of the model" for name, array in held.items() if not np.array_equal(array, kept[name])]
    # A name that states lack fails another check.
    differing = [name for name, array in returned.items() if not np.array_equal(array, kept.get(name, array))]
    shared += [f"{name} of the run" for name in differing]
    subject.load(state)
    subject.run(batches, 1)
    shared += [name for name, array in kept.items() if not np.array_equal(array, state[name])]
    given = {name: np.array(array) for name, array in kept.items()}
    subject.load(given)
    _overwrite(given.values())
    after = subject.state()
    shared += [f"{name} after load" for name, array in kept.items() if not np.array_equal(array, after[name])]
    subject.load(kept)
    losses = subject.train(batches, 1)
    shared += [f"images after put, in the {name} update" for name in losses if not np.isfinite(losses[name])]
    return [*shared, *_mixed_batches(subject, kept, batches)]


def _mixed_batches(subject: Subject, state: Arrays, batches: Batches) -> list[str]:
    """Return the updates whose losses differ if many batches, all different, are put before the first step."""
    copies = -(-_PUT // len(batches.images))
    images = np.concatenate([np.roll(batches.images, number, 3) for number in range(copies)])
    images *= 1 - np.arange(len(images)).reshape(-1, *[1] * (images.ndim - 1)) / len(images)
    many = Batches(images, None if batches.labels is None else np.tile(batches.labels, (copies, 1)))
    runs = []
    for given in (False, True):
        subject.load(state)
        runs.append(subject.train(many, _PUT, given=given))
    own, same = runs
    return [
        f"batches that were put before {_PUT} others, in the {name} update"
        for name in own
        if not np.allclose(own[name], same[name], rtol=_SAME, atol=_SAME)
    ]


def stale_results(subject: Subject, inputs: Inputs, dtype: str) -> list[str]:
    """See `Subject.stale_results`."""
    first_update, state, z = next(iter(inputs.draws)), subject.state(), inputs.draws[shown_update(inputs.draws)].z

    def losses(**changed: Any) -> np.ndarray:
        return np.array(list(subject.losses(inputs._replace(**changed)).values()))

    def losses_of_z(z: np.ndarray) -> np.ndarray:
        draws = {name: drawn if drawn.z is None else drawn._replace(z=z) for name, drawn in inputs.draws.items()}
        return losses(draws=draws)

    def gradients(images: np.ndarray) -> np.ndarray:
        found = subject.gradients(first_update, inputs._replace(images=images))
        return np.concatenate([array.ravel() for array in found.values()])

    def load(*arrays: np.ndarray) -> np.ndarray:
        subject.load(dict(zip(state, arrays, strict=True)))
        return np.concatenate([array.ravel() for array in subject.state().values()])

    calls: dict[str, tuple[Callable[..., np.ndarray], Sequence[np.ndarray | None]]] = {
        "losses of images": (lambda images: losses(images=images), [inputs.images]),
        "losses of labels": (lambda labels: losses(labels=labels), [inputs.labels]),
        "losses of z": (losses_of_z, [z]),
        "gradients of images": (gradients, [inputs.images]),
        "generate": (lambda w: subject.forward(inputs._replace(w=w))["G"], [inputs.w]),
        "encode": (lambda images: subject.forward(inputs._replace(images=images))["E"], [inputs.images]),
        "load": (load, list(state.values())),
    }
    found = [
        f"{name}, {word}"
        for name, (call, arrays) in calls.items()
        for word in _stale_ways(call, [array for array in arrays if array is not None], dtype)
    ]
    held = subject.gradients(first_update, inputs)
    kept = {name: np.array(array) for name, array in held.items()}
    gradients(inputs.images / 2)
    return found + [
        f"the gradient of {name}, which the next overwrites"
        for name, array in held.items()
        if not np.array_equal(array, kept[name])
    ]


def _stale_ways(call: Callable[..., np.ndarray], originals: Sequence[np.ndarray], dtype: str) -> Iterator[str]:
    """Yield the ways to pass other arrays that a call does not notice."""
    if not originals:
        return
    # In the run's own precision, so that no conversion copies them.
    arrays = [np.array(array, dtype if array.dtype.kind == "f" else array.dtype) for array in originals]
    first = call(*arrays)
    for array in arrays:
        array[...] = _changed(array)
    right = call(*map(np.array, arrays))
    if _is_stale(call(*arrays), first, right):
        yield "of arrays changed in place"
    # Each call's arrays are deleted before those of the next, which often get the same addresses.
    for _ in range(_DELETED):
        call(*map(np.array, originals))
        if _is_stale(call(*map(np.array, arrays)), first, right):
            yield "of new arrays in place of deleted ones"
            break


def _changed(array: np.ndarray) -> np.ndarray:
    return np.roll(array, 1) if array.dtype.kind == "i" else array / 2


def _is_stale(again: np.ndarray, first: np.ndarray, right: np.ndarray) -> bool:
    """Return whether a result is wrong by more than a tenth of the difference between both right results."""
    return bool(np.linalg.norm(again - right) > 0.1 * np.linalg.norm(first - right))


def borrowed_results(subject: Subject, calls: Mapping[str, Any], dtype: str) -> list[str]:
    """See `Subject.borrowed_results`."""
    weights = subject.look("weights")
    given = {name: np.array(array, dtype) for name, array in weights.items()}
    subject.look("set_weights", given)
    _overwrite(given.values())
    after = subject.look("weights")
    followed = [
        f"{name} after set_weights" for name, array in weights.items() if not np.array_equal(array, after[name])
    ]
    return followed + [
        f"{name}, {word}" for name, call in calls.items() for word in _borrowed_ways(call, subject, dtype)
    ]


def _borrowed_ways(made: Any, subject: Subject, dtype: str) -> Iterator[str]:
    """Yield the ways in which results of a call are not the caller's own."""
    call = made.of_dtype(dtype)
    found, given = _arrays_in(call.on(subject)), _arrays_in([call.arguments, call.options])
    if not all(array.flags.writeable for array in found):
        yield "which cannot be written"
        return
    if any(np.may_share_memory(array, argument) for array in found for argument in given):
        yield "which share memory with an argument"
    right = [np.array(array) for array in found]
    _overwrite(found)
    again = _arrays_in(made.of_dtype(dtype).on(subject))
    if any(np.may_share_memory(array, other) for array in found for other in again):
        yield "which share memory with the next results"
    if any(not np.array_equal(*pair) for pair in zip(again, right, strict=True)):
        yield "which the next results follow"
    for array in given:
        array[...] = _changed(array)
    pairs = zip(_arrays_in(call.on(subject)), _arrays_in(call.of_dtype(dtype).on(subject)), strict=True)
    if not all(np.array_equal(*pair) for pair in pairs):
        yield "which do not follow arguments that were changed in place"


def _arrays_in(value: Any) -> list[np.ndarray]:
    """Return the arrays in nested containers."""
    if isinstance(value, np.ndarray):
        return [value]
    parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    return [array for part in parts for array in _arrays_in(part)]


def gradients_in_turn(subject: Subject, update: str, batches: Sequence[Inputs], dtype: str) -> list[Arrays]:
    """See `Subject.gradients_in_turn`."""
    buffers: dict[tuple[str, tuple[int, ...]], np.ndarray] = {}

    def buffered(where: str, array: np.ndarray | None) -> Any:
        if array is None:
            return None
        # In the run's own precision, so that no conversion copies them.
        array = array.astype(dtype) if array.dtype.kind == "f" else array
        buffer = buffers.setdefault((f"{where} {array.dtype}", array.shape), np.empty_like(array))
        buffer[...] = array
        return buffer

    found = []
    for inputs in batches:
        drawn = inputs.draws[update]
        noise = drawn.noise and [buffered(f"noise {layer}", each) for layer, each in enumerate(drawn.noise)]
        z, mix, augment = (buffered(name, getattr(drawn, name)) for name in ("z", "mix", "augment"))
        passed = inputs._replace(
            images=buffered("images", inputs.images),
            labels=buffered("labels", inputs.labels),
            draws={update: drawn._replace(z=z, mix=mix, augment=augment, noise=noise)},
        )
        found.append(subject.gradients(update, passed))
    return found


def put_and_overwrite(
    put: Callable[..., PutBatch], batches: Iterable[tuple[np.ndarray, np.ndarray | None]], dtype: str
) -> Iterator[PutBatch]:
    """Put batches, and overwrite the arrays of each at once, like a loader that reuses its buffers.

    Every second batch is ordered by columns in memory, and class numbers are as short as they may be.
    """
    # In the run's own precision, so that no conversion copies them.
    dtypes = {"f": np.dtype(dtype), "i": np.dtype(np.uint8)}
    orders: Iterator[Literal["C", "F"]] = cycle(("C", "F"))
    for batch, order in zip(batches, orders, strict=False):
        arrays = [array for array in batch if array is not None]
        given = [np.array(array, dtypes.get(array.dtype.kind, array.dtype), order=order) for array in arrays]
        found = put(*given)
        _overwrite(given)
        yield found


def _overwrite(arrays: Iterable[np.ndarray]) -> None:
    for array in arrays:
        array[...] = np.nan if array.dtype.kind == "f" else 0
