"""L0 to L3: numbers that are rare in training: not finite, very large, very small; and many steps of averages."""

from dataclasses import replace

import numpy as np

from alae_conformance import tape as tapes
from alae_conformance.comparison import Observations
from alae_conformance.experiments.calls import Call, call_is_refused
from alae_conformance.experiments.experiment import experiment
from alae_conformance.experiments.setting import Setting
from alae_conformance.experiments.states import differing_names, is_refused, last_kernel, movements, nonfinite_names
from alae_conformance.fixture import config_of
from alae_conformance.subjects import Arrays, Subject
from alae_core.errors import CheckpointError

#: factors of D's last kernel, by which the gradients of F and G grow or shrink
_FACTORS = (1e6, 1e-9)
#: a factor of D's last kernel, by which logits come to lie a hundred apart
_APART = 32.0
#: the factors at which the roots of second moments are about as large as ε, and a thousandth of it, relative to ε
_NEAR_EPSILON, _BELOW_EPSILON = 10.0, 0.01
#: a count of Adam at which no correction for the first steps is left
_OLD = 10**6
#: added to the logarithms of variances
_LOG_VARIANCES = (12.0, -12.0, 30.0)
#: a number that float32 cannot hold
_TOO_LARGE = 1e39
#: a number that float32 rounds to zero, such as second moments of a run in float64
_TOO_SMALL = 1e-60
#: steps after which averages are compared
_LONG = 200


@experiment()
def nonfinite(subject: Subject, setting: Setting) -> Observations:
    """Let a NaN and an infinity into images and w; all that depends on them must not be finite, and nothing else."""
    setting.open(subject)
    observed = Observations()
    with np.errstate(invalid="ignore", over="ignore"):
        for word, number in (("NaN", np.nan), ("infinity", np.inf)):
            observed |= _with_number(subject, setting, word, number)
    return observed


def _with_number(subject: Subject, setting: Setting, word: str, number: float) -> Observations:
    state, observed = setting.initial_state(), Observations()
    subject.load(state)
    *_, inputs = tapes.views(setting.fixture, setting.tape).values()
    batches = tapes.batches(setting.tape)
    images, w = np.array(inputs.images), np.array(inputs.w)
    images[1, 0, 0, 0] = w[1, 0] = number
    inputs = inputs._replace(images=images, w=w)
    for name, array in subject.forward(inputs).items():
        observed[f"finite/rows of {name} with {word}"] = np.asarray(np.isfinite(array.reshape(len(array), -1)).all(1))
    for name, loss in subject.losses(inputs).items():
        observed[f"finite/loss of {name} with {word}"] = np.asarray(np.isfinite(loss))
    damaged = np.array(batches.images)
    damaged[:, 1, 0, 0, 0] = number
    subject.run(replace(batches, images=damaged), 1)
    observed[f"finite/state after {word}"] = nonfinite_names(subject.state())
    observed[f"finite/a state with {word} is saved"] = np.asarray(_is_saved(subject, setting, word))
    for kind, name in _first_of_each_kind(state).items():
        one = np.array(state[name])
        one.flat[-1] = number
        subject.load(state | {name: one})
        observed[f"finite/a state with {word} in {kind} is saved"] = np.asarray(_is_saved(subject, setting, word))
    subject.load(state)
    loaded = subject.state()
    observed[f"finite/state loaded after {word}"] = differing_names(
        loaded, {name: array.astype(loaded[name].dtype) for name, array in state.items()}
    )
    return observed


def _first_of_each_kind(state: Arrays) -> dict[str, str]:
    """Return the name of an array of floats of each kind in a state, by the kind: one that is last in its network."""
    kinds = {"weights": "weights/", "averages": "averages/", "first moments": "/m/", "second moments": "/v/"}
    kinds |= {"the mean of w": "w_mean", "p": "augment_p"}
    found = {kind: [name for name in state if part in name] for kind, part in kinds.items()}
    return {kind: names[-1] for kind, names in found.items() if names}


def _is_saved(subject: Subject, setting: Setting, word: str) -> bool:
    try:
        subject.save(str(setting.checkpoint_home(f"{subject.hello()['name']} with {word}")))
    except CheckpointError:
        return False
    return True


@experiment(rounding="kinks")
def scaled(subject: Subject, setting: Setting) -> Observations:
    """Compute gradients of the adversarial updates, and steps, where they are very large and very small."""
    setting.open(subject)
    observed = Observations()
    for factor in _FACTORS:
        for update in ("generator", "discriminator"):
            subject.load(_scale_logits(setting.initial_state(), factor))
            before, inputs = subject.state(), tapes.inputs(setting.tape)
            for name, gradient in subject.gradients(update, inputs).items():
                observed[f"gradients/{update} by {factor:g}/{name}"] = gradient
            subject.run(tapes.batches(setting.tape), 1, only=update)
            where = f"{factor:g}" if update == "generator" else f"{factor:g} of {update}"
            moved = movements(where, before, subject.state())
            # D's scaled kernel rounds more coarsely than it moves.
            kinds = ("displacement", "moments") if update == "generator" else ("moments",)
            observed |= {key: array for key, array in moved.items() if key.startswith(kinds)}
    return observed


@experiment(rounding="kinks", trains=False)
def apart(subject: Subject, setting: Setting) -> Observations:
    """Compute losses and gradients of the adversarial updates where logits are far from each other."""
    setting.open(subject)
    subject.load(_scale_logits(setting.initial_state(), _APART))
    inputs = tapes.inputs(setting.tape)
    observed: Observations = {f"losses/{name}": np.asarray(loss) for name, loss in subject.losses(inputs).items()}
    for update in ("discriminator", "generator"):
        for name, gradient in subject.gradients(update, inputs).items():
            observed[f"gradients/{update}/{name}"] = gradient
    return observed


@experiment(rounding="kinks")
def at_epsilon(subject: Subject, setting: Setting) -> Observations:
    """Do a step of the generator where the roots of Adam's second moments are about as large as ε."""
    return _near_epsilon(subject, setting, setting.initial_state(), _NEAR_EPSILON)


@experiment(rounding="kinks")
def below_epsilon(subject: Subject, setting: Setting) -> Observations:
    """Do a late step of the generator where gradients are far below ε: it moves weights by rate · gradient / ε."""
    state = setting.initial_state()
    late = {name: np.array(_OLD) for name in state if name.endswith("/t")}
    return _near_epsilon(subject, setting, state | late, _BELOW_EPSILON)


def _near_epsilon(subject: Subject, setting: Setting, state: Arrays, factor: float) -> Observations:
    """Do a step of the generator whose gradients are scaled by ε times a factor."""
    setting.open(subject)
    epsilon = config_of(setting.fixture, setting.lane).adam.epsilon
    subject.load(_scale_logits(state, factor * epsilon))
    before = subject.state()
    subject.run(tapes.batches(setting.tape), 1, only="generator")
    moved = movements("epsilon", before, subject.state())
    return {key: array for key, array in moved.items() if key.startswith("displacement")}


def _scale_logits(state: Arrays, factor: float) -> Arrays:
    """Multiply D's last kernel by the power of two near a factor, so that the product is exact."""
    last = last_kernel(state, "D")
    return state | {last: state[last] * 2.0 ** np.round(np.log2(factor))}


@experiment(rounding="kinks", trains=False)
def variances(subject: Subject, setting: Setting) -> Observations:
    """Compute the loss and gradients of a VAE whose variances are very large and very small."""
    setting.open(subject)
    state, inputs, observed = setting.initial_state(), tapes.inputs(setting.tape), Observations()
    last = max(name for name in state if name.startswith("weights/V/") and name.endswith("bias"))
    for shift in _LOG_VARIANCES:
        subject.load(state | {last: state[last] + shift})
        for name, loss in subject.losses(inputs).items():
            observed[f"losses/{name} by {shift:g}"] = np.asarray(loss)
        for name, gradient in subject.gradients("evidence", inputs).items():
            observed[f"gradients/evidence by {shift:g}/{name}"] = gradient
    return observed


@experiment(trains=False)
def too_large(subject: Subject, setting: Setting) -> Observations:
    """Load states with a number that float32 cannot hold, and with one that it rounds to zero."""
    setting.open(subject)
    state, observed = setting.initial_state(), Observations()
    for name in ("weights/E/dense0/bias", "averages/E/dense0/bias", "adam/discriminator/E/v/dense0/bias"):
        for sign, word in ((1, ""), (-1, " of a negative number")):
            large = np.array(state[name], np.float64)
            large[-1] = sign * _TOO_LARGE
            observed[f"refuses/{name}{word}"] = np.array(is_refused(subject, state | {name: large}))
            observed[f"refuses/{name}{word} of a tiny number"] = np.array(
                is_refused(subject, state | {name: large / _TOO_LARGE * _TOO_SMALL})
            )
    weights = {name: np.array(array, np.float64) for name, array in subject.look("weights").items()}
    weights["E/dense0/bias"][-1] = _TOO_LARGE
    observed["refuses/weights of a model"] = np.array(call_is_refused(subject, Call("set_weights", (weights,), {})))
    return observed


@experiment()
def long_averages(subject: Subject, setting: Setting) -> Observations:
    """Train for hundreds of steps; averages must be those of the run's own weights."""
    setting.open(subject)
    subject.load(setting.initial_state())
    config = config_of(setting.fixture, setting.lane)
    decay = 0.5 ** (config.batch_size / config.average_halflife)
    first = {name: array.astype(np.float64) for name, array in subject.weights().items()}
    means = dict(first)
    for _ in range(_LONG):
        subject.run(tapes.batches(setting.tape), 1)
        means = {name: decay * means[name] + (1 - decay) * array for name, array in subject.weights().items()}
    averages = subject.weights(averaged=True)
    return {
        f"ratio/{name}": np.asarray(
            np.linalg.norm(averages[name] - first[name]) / np.linalg.norm(means[name] - first[name])
        )
        for name in first
    }
