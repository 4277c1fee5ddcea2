"""L0 and L3: numbers far from those of other experiments: seeds, steps, counts of Adam, sizes of batches."""

from typing import Any

import numpy as np

from alae_conformance import tape as tapes
from alae_conformance.comparison import Observations
from alae_conformance.experiments.experiment import experiment
from alae_conformance.experiments.setting import Setting
from alae_conformance.experiments.states import drop_check, movements, observe_step
from alae_conformance.fixture import config_of
from alae_conformance.noise_statistics import deviations, maps_by_update
from alae_conformance.subjects import Arrays, Batches, Subject

_SEEDS = (7, 2**32 + 7, 2**63 - 1)
_STEPS = (2**20, 2**33)
#: neighbouring and distant steps at which noise is drawn, and the numbers of images
_NOISE_STEPS = (2**20 - 1, 2**20, 2**20 + 1, 2**33, 2**33 + 1, 2**40)
_COUNTS = (1, 64, 512)
#: a number of images far beyond a batch, and no multiple of one
MANY = 2**12 + 7
#: consecutive steps whose noise must differ, by which keys of up to 18 bits repeat with probability 0.99
_MANY_STEPS = 600
#: exponents of the numbers of steps near which a run reaches its second level: float32 counts steps up to the first
_FAR_LEVELS = (24, 33)
#: the levels of a run of 1024 pixels, in each of which styles are drawn at as many steps
_LEVELS, _STEPS_OF_LEVEL = 9, 12
#: the step at which a run reaches its second level that was resumed three steps before with another batch size
_RESUMED = 23
#: the factor of a large batch: with the fixture's images, it has more pixels than 16 bits count
_COPIES = 400
_ADAM_COUNTS = (1, 1000, 3000, 10**6)
#: steps after the schedule of a rate has ended, with and without rare updates
_LATE = (102, 1001, 10**6)
_SIZES = (6, 1, 5, 17, 6)
#: numbers of real runs, which other fixtures exaggerate, and zeros, which are not the same as no number
_USUAL: dict[str, Any] = {
    "average_halflife": 10_000.0,
    "schedule": {"images": 600, "constant": 0.0, "rate_end": 0.05, "r1_gamma_end": 0.0},
}
_USUAL_AUGMENTATION = {"p": 0.0, "target": 0.0, "images": 500_000}
#: the p that a run with them has reached, and steps amid its schedule and after
_REACHED, _USUAL_STEPS = 0.3125, (50, 10**4)


@experiment()
def far_draws(subject: Subject, setting: Setting) -> Observations:
    """Draw the weights and each update's random numbers for large seeds and steps, and do a step of a large number."""
    data, observed = config_of(setting.fixture, setting.lane).data(), Observations()
    batches = tapes.batches(setting.tape)
    for seed in _SEEDS:
        subject.open({**data, "seed": seed}, anew=True)
        state = subject.state()
        observed |= {f"initial/{seed}/{name}": array for name, array in state.items() if name.startswith("weights/")}
        for step in _STEPS:
            drawn = subject.draws(step, len(batches.images[0]))
            observed |= {f"draws/{seed}/{step}/{name}": array for name, array in drawn.items()}
    observed |= last_draws(subject, 0)
    if not setting.fixture.levels:
        # Compiling the step of style networks takes long.
        subject.load({**state, "step": np.array(_STEPS[-1])})
        subject.run(batches, 1)
        observed["counts/step"] = subject.state()["step"]
    return observed


def last_draws(subject: Subject, step: int) -> Observations:
    """Return the last rows of the random numbers of a step for many images."""
    found = subject.draws(step, MANY)
    return {f"draws/{step} of {MANY}/{name}": array[MANY - 2 :] for name, array in found.items() if array.ndim}


@experiment(trains=False)
def far_noise(subject: Subject, setting: Setting) -> Observations:
    """Draw the noise of distant steps for few and many images: N(0, 1), independent, and nowhere the same."""
    config, observed = config_of(setting.fixture, setting.lane), Observations()
    for count in _COUNTS:
        runs: list[list[Arrays]] = []
        for seed in (config.seed, _SEEDS[-1]):
            subject.open({**config.data(), "seed": seed}, anew=True)
            runs.append([subject.noise(step, count) for step in _NOISE_STEPS])
        maps = [array for run in runs for drawn in run for array in drawn.values()]
        beginnings = np.concatenate([array.reshape(len(array), -1)[:, :8] for array in maps])
        observed[f"distinct/noise of {count}"] = np.array(len(beginnings) - len(np.unique(beginnings, axis=0)))
        if count > 1:
            own, other = ([maps_by_update(drawn) for drawn in run] for run in runs)
            observed |= {f"noise/{name} of {count}": np.asarray(z) for name, z in deviations(own, other).items()}
    # The last layer's map has most numbers.
    last = [
        array.ravel()[:8]
        for step in range(_MANY_STEPS)
        for name, array in subject.noise(_NOISE_STEPS[0] + step, 1).items()
        if name.endswith("/1")
    ]
    observed["distinct/noise of many steps"] = np.array(len(last) - len(np.unique(last, axis=0)))
    return observed


@experiment(trains=False)
def far_levels(subject: Subject, setting: Setting) -> Observations:
    """Draw noise and mixed styles at the last steps of a long first level, and at the first of the second.

    Styles are also drawn at all levels of networks for 1024 pixels.
    """
    config, observed = config_of(setting.fixture, setting.lane), Observations()
    for exponent in _FAR_LEVELS:
        first = 2**exponent + 5
        levels = [{"images": first * config.batch_size}, {"images": 8}]
        subject.open(config.data() | {"growth": {"levels": levels}}, anew=True)
        observed |= _draw_around(subject, first)
    # The run has shown ten images at the first level in steps of another batch size, and shows three more batches.
    levels = [{"images": 10 + 3 * config.batch_size}, {"images": 8}]
    resumed = {"step": _RESUMED - 3, "shown": [10, 0]}
    subject.open(config.data() | {"growth": {"levels": levels}, "resumed": resumed}, anew=True)
    observed |= _draw_around(subject, _RESUMED)
    # With a second level of one batch, the third begins a step later: at the right step only if the first has ended.
    levels.insert(1, {"images": config.batch_size})
    three = {"image": [16, 16, 2], "growth": {"levels": levels}, "resumed": {"step": _RESUMED - 3, "shown": [10, 0, 0]}}
    subject.open(config.data() | three, anew=True)
    observed |= _draw_around(subject, _RESUMED + 1, " of three levels")
    shown = _STEPS_OF_LEVEL * config.batch_size
    many = {"image": [4 * 2 ** (_LEVELS - 1)] * 2 + [1], "growth": {"levels": [{"images": shown}] * _LEVELS}}
    subject.open(config.data() | many, anew=True)
    drawn = [subject.draws(step, 1) for step in range(_LEVELS * _STEPS_OF_LEVEL)]
    for name in (name for name in drawn[0] if name.endswith("cutoff")):
        observed[f"draws/{_LEVELS} levels/{name}"] = np.array([each[name] for each in drawn])
    return observed


def _draw_around(subject: Subject, first: int, where: str = "") -> Observations:
    """Draw noise and mixed styles at the last two steps of a level, and at the first two of the next."""
    observed = Observations()
    for step in range(first - 2, first + 2):
        maps = subject.noise(step, 1)
        observed[f"shapes/{step}{where}"] = np.array([f"{name} {array.shape}" for name, array in sorted(maps.items())])
        drawn = subject.draws(step, 1)
        observed |= {f"draws/{step}/{name}{where}": array for name, array in drawn.items() if name.endswith("cutoff")}
    return observed


@experiment(trains=False)
def copies(subject: Subject, setting: Setting) -> Observations:
    """Compute the losses of a large batch: copies of a small one."""
    setting.open(subject)
    subject.load(setting.initial_state())
    inputs = tapes.inputs(setting.tape)

    def repeat(array: Any) -> Any:
        return None if array is None else np.concatenate([array] * _COPIES)

    draws = {
        update: drawn._replace(z=repeat(drawn.z), augment=repeat(drawn.augment))
        for update, drawn in inputs.draws.items()
    }
    large = inputs._replace(images=repeat(inputs.images), labels=repeat(inputs.labels), draws=draws)
    return {f"losses/{update}": np.asarray(loss) for update, loss in subject.losses(large).items()}


@experiment(rounding="kinks")
def adam_counts(subject: Subject, setting: Setting) -> Observations:
    """Take a step from one state with small and large counts of Adam."""
    setting.open(subject)
    state, observed = tapes.group("states/7", setting.tape), Observations()
    for count in _ADAM_COUNTS:
        subject.load({name: np.array(count) if name.endswith("/t") else array for name, array in state.items()})
        before = subject.state()
        subject.run(tapes.batches(setting.tape), 1)
        observed |= drop_check("averages", movements(f"{count}", before, subject.state()))
    return observed


@experiment(rounding="kinks")
def sizes(subject: Subject, setting: Setting) -> Observations:
    """Take steps on batches of other sizes than the configuration's, one after the other in one run."""
    setting.open(subject)
    subject.load(setting.initial_state())
    images, labels = (
        array.reshape(1, -1, *array.shape[2:]) for array in (setting.tape["images"], setting.tape["labels"])
    )
    observed = Observations()
    for number, size in enumerate(_SIZES):
        observed |= observe_step(subject, Batches(images, labels, size), f"{number}")
    return observed


@experiment(rounding="kinks")
def late(subject: Subject, setting: Setting) -> Observations:
    """Take a step from one state at numbers of steps far beyond those of other runs: the rate is the schedule's."""
    setting.open(subject)
    state, observed = tapes.group("states/7", setting.tape), Observations()
    for step in _LATE:
        subject.load(state | {"step": np.array(step)})
        observed |= observe_step(subject, tapes.batches(setting.tape), f"{step}")
    return observed


@experiment()
def usual(subject: Subject, setting: Setting) -> Observations:
    """Take steps with a long half-life, a p that adapts slowly and from zero, and a γ that falls to zero."""
    data = config_of(setting.fixture, setting.lane).data()
    subject.open(data | _USUAL | {"augment": data["augment"] | _USUAL_AUGMENTATION})
    state, observed = tapes.group("states/7", setting.tape), Observations()
    for step in _USUAL_STEPS:
        subject.load(state | {"step": np.array(step), "augment_p": np.array(_REACHED)})
        before = subject.state()
        losses = subject.run(tapes.batches(setting.tape), 1)
        observed |= {f"losses/{step}/{update}": loss for update, loss in losses.items()}
        # Displacements show moments too.
        observed |= drop_check("moments", movements(f"{step}", before, subject.state()))
    return observed
