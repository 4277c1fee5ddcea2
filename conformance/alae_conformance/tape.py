"""What goes into a fixture's cases: numbers drawn once, exactly representable, and clear of kinks."""

from collections.abc import Mapping

import numpy as np

from alae_conformance.reference.training import Reference
from alae_conformance.subjects import Arrays, Batches, Inputs, listed
from alae_conformance.subjects.reference import ReferenceSubject
from alae_conformance.vectors import Fixture, cases, config_of
from alae_core.draws import NUMBERS, Draws
from alae_core.streams import noise_shapes
from alae_core.view import View

#: batches of images on a tape; later training steps begin again with the first
BATCHES = 4
#: training steps after which the state on a tape was taken
STATES = (0, 7)
#: training steps whose z are on the tape
DRAWN = (0, 7, 100_000)
#: z that reciprocity is measured on
HELD_OUT = 1024


def draw(fixture: Fixture, seed: int) -> Arrays:
    """A tape: weights/…, images, labels, w, z/…, augment/…, mix/…, cutoff/…, noise/LAYER, draws/STEP/…, states/STEP/….

    Weights, images, w, z, mix and noise are rounded to bfloat16, so that every lane starts from the same numbers;
    states, to float32.
    """
    rng = np.random.default_rng(seed)
    config = config_of(fixture, "float64")
    size, image = config.batch_size, config.image
    experiments = {case.experiment for case in cases().values() if case.fixture == fixture.id}
    # What is only looked at needs neither further batches nor states.
    trained = not experiments <= {"values", "gradients"}
    count = BATCHES if trained else 1
    subject = ReferenceSubject()
    subject.open(config.data())
    reference = subject.reference
    tape = {f"weights/{name}": _weight(rng, reference, name, shape) for name, shape in reference.shapes.items()}
    tape["images"] = to_bfloat16(rng.uniform(-1, 1, (count, size, *image)))
    if config.labels:
        tape["labels"] = rng.integers(0, config.labels, (count, size))
    tape["w"] = to_bfloat16(rng.normal(size=(size, config.networks.w)))
    for update in subject.reference.trains():
        # No rows for an update that draws none.
        drawing = size if listed({update: subject.drawn(update, 0, size)}) else 0
        tape[f"z/{update}"] = to_bfloat16(rng.normal(size=(drawing, config.networks.z)))
    if config.augment:
        for update in ("discriminator", "generator"):
            tape[f"augment/{update}"] = rng.random((size, sum(NUMBERS.values())), np.float32)
    if config.growth and config.algorithm == "alae":
        for update in ("discriminator", "generator"):
            tape[f"mix/{update}"] = to_bfloat16(rng.normal(size=(size, config.networks.z)))
            tape[f"cutoff/{update}"] = np.asarray(rng.integers(1, 2 * config.lods))
    if config.growth:
        for layer, shape in enumerate(noise_shapes(config.lods - 1, size)):
            tape[f"noise/{layer}"] = to_bfloat16(rng.normal(size=shape))
    _spread_logits(subject, tape, fixture)
    for step in DRAWN:
        tape |= {f"draws/{step}/{name}": array for name, array in subject.draws(step, size).items()}
    if fixture.seeds:
        tape["held_out_z"] = rng.normal(size=(HELD_OUT, config.networks.z)).astype(np.float32)
    for number in range(fixture.seeds):
        tape |= {f"seeds/{number}/{name}": _glorot(rng, shape) for name, shape in subject.reference.shapes.items()}
    if not trained:
        return tape
    subject.load(start(tape, subject))
    for step in range(max(STATES) + 1):
        if step in STATES:
            tape |= {f"states/{step}/{name}": _to_float32(array) for name, array in subject.state().items()}
        subject.run(batches(tape), 1)
    return tape


def inputs(tape: Mapping[str, np.ndarray], view: View | None = None) -> Inputs:
    """The first batch of everything; for style networks in a view, images cut to its size."""
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
    """The tape's images, w and the generator's z over and over, each time a little smaller: no two are the same."""

    def many(rows: np.ndarray) -> np.ndarray:
        shrunk = 1 - np.arange(count) // len(rows) / 256  # exact in float32, since the tape is in bfloat16
        return np.resize(rows, (count, *rows.shape[1:])) * shrunk.reshape(-1, *[1] * (rows.ndim - 1))

    draws = {"generator": Draws(many(tape["z/generator"]))}
    return Inputs(many(np.concatenate(tape["images"])), None, many(tape["w"]), draws)


def views(fixture: Fixture, tape: Mapping[str, np.ndarray]) -> dict[str, Inputs]:
    """Inputs at every level that the fixture is looked at, by what distinguishes them in a quantity's name."""
    if not fixture.levels:
        return {"": inputs(tape)}
    return {f" at level {lod}, blend {blend:g}": inputs(tape, View(lod, blend)) for lod, blend in fixture.levels}


def batches(tape: Mapping[str, np.ndarray]) -> Batches:
    """The batches of training steps."""
    return Batches(tape["images"], tape.get("labels"))


def start(tape: Mapping[str, np.ndarray], subject: ReferenceSubject) -> Arrays:
    """The state before the first step from the tape's weights."""
    return subject.reference.initial_state(group("weights", tape))


def group(prefix: str, arrays: Mapping[str, np.ndarray]) -> Arrays:
    """The arrays below a prefix, by the rest of their names."""
    return {name.removeprefix(f"{prefix}/"): array for name, array in arrays.items() if name.startswith(f"{prefix}/")}


def to_bfloat16(x: np.ndarray) -> np.ndarray:
    """The nearest numbers of 8 significant bits, as float64."""
    bits = np.asarray(x, np.float32).view(np.uint32)
    return ((bits + 0x8000) & 0xFFFF0000).astype(np.uint32).view(np.float32).astype(np.float64)


def nudged(tape: Mapping[str, np.ndarray], seed: int, roundings: float) -> Arrays:
    """The tape with weights and the state's floats moved by about so many units in float32's last place."""
    rng = np.random.default_rng(seed)
    return {
        name: array * (1 + roundings * 2.0**-23 * rng.normal(size=array.shape))
        if array.dtype.kind == "f" and name.startswith(("weights/", "states/"))
        else array
        for name, array in tape.items()
    }


def _weight(rng: np.random.Generator, reference: Reference, name: str, shape: tuple[int, ...]) -> np.ndarray:
    if name.endswith("kernel"):
        spread = 1 / reference.lrmul(name) if reference.config.networks.equalized else 1.2 / np.sqrt(shape[0])
        return to_bfloat16(rng.normal(0, spread, shape))
    return to_bfloat16(rng.normal(0, 0.3, shape))


def _glorot(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    limit = np.sqrt(6 / sum(shape)) if len(shape) == 2 else 0
    return rng.uniform(-limit, limit, shape).astype(np.float32)


def _spread_logits(subject: ReferenceSubject, tape: Arrays, fixture: Fixture) -> None:
    """Scale the last layer of D, or its like: logits of both signs, some large, are where the objectives differ."""
    critic = subject.reference.critic
    if critic is None:
        return
    subject.load(start(tape, subject))
    given = next(iter(views(fixture, tape).values()))
    logits, _ = subject.input_gradient(given)
    last = max(name for name in tape if name.startswith(f"weights/{critic}/") and name.endswith("kernel"))
    tape[last] = to_bfloat16(tape[last] * fixture.logits / np.std(logits))
    bias = last.replace("kernel", "bias")
    subject.load(start(tape, subject))
    logits, _ = subject.input_gradient(given)
    scale = subject.reference.scales[bias.removeprefix("weights/")]
    tape[bias] = to_bfloat16(tape[bias] - logits.mean() / scale)


def _to_float32(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float32) if array.dtype.kind == "f" else array
