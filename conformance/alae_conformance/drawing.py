"""Drawing a tape: numbers that every lane represents exactly, and that rounding cannot push across a kink."""

from collections.abc import Mapping
from zlib import crc32

import numpy as np

from alae_conformance import tape as tapes
from alae_conformance.case import cases, experiment_of
from alae_conformance.case_files import SuiteError
from alae_conformance.fixture import Fixture, config_of
from alae_conformance.reference.training import Reference
from alae_conformance.steadiness import is_steady
from alae_conformance.subjects import Arrays, flat_draws
from alae_conformance.subjects.reference import ReferenceSubject
from alae_core.draws import NUMBERS
from alae_core.streams import noise_shapes

#: number of z that reciprocity is measured on
_HELD_OUT = 1024
_ATTEMPTS = 1000


def draw_steady_tape(fixture: Fixture, seed: int = 0) -> Arrays:
    """Return the first tape of `seed` on which rounding is harmless. Raises SuiteError if a thousand are rejected."""
    return find_steady_attempt(fixture, seed)[1]


def find_steady_attempt(fixture: Fixture, seed: int = 0) -> tuple[int, Arrays]:
    """Return the number of attempts before that tape, and the tape. Raises SuiteError as `draw_steady_tape` does."""
    for attempt in range(_ATTEMPTS):
        tape = draw_attempt(fixture, seed, attempt)
        if is_steady(fixture, tape):
            return attempt, tape
    raise SuiteError(f"none of {_ATTEMPTS} tapes of the fixture {fixture.id} is clear of kinks")


def draw_attempt(fixture: Fixture, seed: int, attempt: int) -> Arrays:
    """Return the tape of one attempt to draw a steady one."""
    return draw_tape(fixture, crc32(f"{fixture.id} {seed} {attempt}".encode()))


def draw_tape(fixture: Fixture, seed: int) -> Arrays:
    """Draw a tape, named as described in `tape.py`.

    Weights, images, w, z, mix and noise are rounded to bfloat16, so that every lane starts from the same numbers;
    states are rounded to float32.
    """
    rng = np.random.default_rng(seed)
    config = config_of(fixture, "float64")
    size, image = config.batch_size, config.image
    trained = any(experiment_of(case).trains for case in cases().values() if case.fixture == fixture.id)
    subject = ReferenceSubject()
    subject.open(config.data())
    reference = subject.reference
    tape = {f"weights/{name}": _weight(rng, reference, name, shape) for name, shape in reference.shapes.items()}
    count = tapes.BATCHES if trained else 1
    tape["images"] = tapes.to_bfloat16(rng.uniform(-1, 1, (count, size, *image)))
    if config.labels:
        tape["labels"] = rng.integers(0, config.labels, (count, size))
    tape["w"] = tapes.to_bfloat16(rng.normal(size=(size, config.networks.w)))
    for update in subject.reference.trains():
        # An update that draws no z gets no rows.
        drawing = size if flat_draws({update: subject.draw_update(update, 0, size)}) else 0
        tape[f"z/{update}"] = tapes.to_bfloat16(rng.normal(size=(drawing, config.networks.z)))
    if config.augment:
        for update in ("discriminator", "generator"):
            tape[f"augment/{update}"] = rng.random((size, sum(NUMBERS.values())), np.float32)
    if config.growth and config.algorithm == "alae":
        for update in ("discriminator", "generator"):
            tape[f"mix/{update}"] = tapes.to_bfloat16(rng.normal(size=(size, config.networks.z)))
            tape[f"cutoff/{update}"] = np.asarray(rng.integers(1, 2 * config.lods))
    if config.growth:
        for layer, shape in enumerate(noise_shapes(config.lods - 1, size)):
            tape[f"noise/{layer}"] = tapes.to_bfloat16(rng.normal(size=shape))
    _spread_logits(subject, tape, fixture)
    for step in tapes.DRAWN_STEPS:
        tape |= {f"draws/{step}/{name}": array for name, array in subject.draws(step, size).items()}
    if fixture.seeds:
        tape["held_out_z"] = rng.normal(size=(_HELD_OUT, config.networks.z)).astype(np.float32)
    for number in range(fixture.seeds):
        tape |= {f"seeds/{number}/{name}": _glorot(rng, shape) for name, shape in subject.reference.shapes.items()}
    return tape | (_states(subject, tape) if trained else {})


def _states(subject: ReferenceSubject, tape: Mapping[str, np.ndarray]) -> Arrays:
    subject.load(tapes.initial_state(tape, subject))
    states: Arrays = {}
    for step in range(max(tapes.STATES) + 1):
        if step in tapes.STATES:
            states |= {f"states/{step}/{name}": _to_float32(array) for name, array in subject.state().items()}
        subject.run(tapes.batches(tape), 1)
    return states


def _weight(rng: np.random.Generator, reference: Reference, name: str, shape: tuple[int, ...]) -> np.ndarray:
    if name.endswith("kernel"):
        equalized = reference.config.networks.kernels == "equalized"
        spread = 1 / reference.lrmul(name) if equalized else 1.2 / np.sqrt(np.prod(shape[:-1]))
        return tapes.to_bfloat16(rng.normal(0, spread, shape))
    return tapes.to_bfloat16(rng.normal(0, 0.3, shape))


def _glorot(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    limit = np.sqrt(6 / sum(shape)) if len(shape) == 2 else 0
    return rng.uniform(-limit, limit, shape).astype(np.float32)


def _spread_logits(subject: ReferenceSubject, tape: Arrays, fixture: Fixture) -> None:
    """Scale and shift the last layer of D, or of the network that replaces it.

    The objectives differ most where logits have both signs and some are large.
    """
    critic = subject.reference.critic
    if critic is None:
        return
    subject.load(tapes.initial_state(tape, subject))
    inputs = next(iter(tapes.views(fixture, tape).values()))
    logits, _ = subject.input_gradient(inputs)
    last = max(name for name in tape if name.startswith(f"weights/{critic}/") and name.endswith("kernel"))
    tape[last] = tapes.to_bfloat16(tape[last] * fixture.logits / np.std(logits))
    bias = last.replace("kernel", "bias")
    subject.load(tapes.initial_state(tape, subject))
    logits, _ = subject.input_gradient(inputs)
    scale = subject.reference.scales[bias.removeprefix("weights/")]
    tape[bias] = tapes.to_bfloat16(tape[bias] - logits.mean() / scale)


def _to_float32(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float32) if array.dtype.kind == "f" else array
