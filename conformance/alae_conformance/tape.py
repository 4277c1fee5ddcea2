"""Reading a tape: the named arrays that a fixture's experiments start from.

    weights/NAME                                   initial weights
    images, labels, w                              batches of images and of class numbers; one batch of w
    z/UPDATE, mix/UPDATE, cutoff/UPDATE, augment/UPDATE, noise/LAYER    random numbers of one batch
    draws/STEP/…, states/STEP/…                    draws of a run at a step, and its state before it
    held_out_z, seeds/NUMBER/NAME                  z for measuring reciprocity; further initial weights

`drawing.py` draws tapes.
"""

from collections.abc import Mapping

import numpy as np

from alae_conformance.fixture import Fixture
from alae_conformance.subjects import Arrays, Batches, Inputs
from alae_conformance.subjects.reference import ReferenceSubject
from alae_core.draws import Draws
from alae_core.view import View

#: number of batches of images on a tape; later training steps repeat them
BATCHES = 4
#: numbers of training steps after which a state on a tape was taken
STATES = (0, 7)
#: training steps with their draws on a tape
DRAWN_STEPS = (0, 7, 100_000)


def group(prefix: str, arrays: Mapping[str, np.ndarray]) -> Arrays:
    """Return the arrays below a prefix, by the rest of their names."""
    return {name.removeprefix(f"{prefix}/"): array for name, array in arrays.items() if name.startswith(f"{prefix}/")}


def inputs(tape: Mapping[str, np.ndarray], view: View | None = None) -> Inputs:
    """Return the first batch of everything; for style networks in a view, with images cut to its size."""
    images, labels = tape["images"][0], tape["labels"][0] if "labels" in tape else None
    draws = {
        update: Draws(z if len(z) else None, augment=tape.get(f"augment/{update}"))
        for update, z in group("z", tape).items()
    }
    if view is None:
        return Inputs(images, labels, tape["w"], draws)
    noise = [tape[f"noise/{layer}"] for layer in range(2 * (view.lod + 1))]
    draws = {update: drawn._replace(noise=noise) for update, drawn in draws.items()}
    for update, mix in group("mix", tape).items():
        draws[update] = draws[update]._replace(mix=mix, cutoff=int(tape[f"cutoff/{update}"]))
    return Inputs(images[:, : view.size, : view.size], labels, tape["w"], draws, view)


def many_inputs(tape: Mapping[str, np.ndarray], count: int) -> Inputs:
    """Repeat the tape's images, w and generator's z, scaled down a little each time so that all differ."""

    def repeat(rows: np.ndarray) -> np.ndarray:
        scale = 1 - np.arange(count) // len(rows) / 256  # exact in float32, since the tape is exact in bfloat16
        return np.resize(rows, (count, *rows.shape[1:])) * scale.reshape(-1, *[1] * (rows.ndim - 1))

    draws = {"generator": Draws(repeat(tape["z/generator"]))}
    return Inputs(repeat(np.concatenate(tape["images"])), None, repeat(tape["w"]), draws)


def views(fixture: Fixture, tape: Mapping[str, np.ndarray]) -> dict[str, Inputs]:
    """Return the inputs at each (level, blend) of the fixture, by the suffix of the names of their quantities."""
    if not fixture.levels:
        return {"": inputs(tape)}
    return {f" at level {lod}, blend {blend:g}": inputs(tape, View(lod, blend)) for lod, blend in fixture.levels}


def batches(tape: Mapping[str, np.ndarray]) -> Batches:
    """Return the batches of training steps."""
    return Batches(tape["images"], tape.get("labels"))


def initial_state(tape: Mapping[str, np.ndarray], subject: ReferenceSubject) -> Arrays:
    """Return the state before the first step, from the tape's weights."""
    return subject.reference.initial_state(group("weights", tape))


def to_bfloat16(x: np.ndarray) -> np.ndarray:
    """Round to the nearest numbers of 8 significant bits, as float64."""
    bits = np.asarray(x, np.float32).view(np.uint32)
    return ((bits + 0x8000) & 0xFFFF0000).astype(np.uint32).view(np.float32).astype(np.float64)
