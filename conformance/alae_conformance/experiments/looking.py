"""L1: every method of a model."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from alae_conformance import tape as tapes
from alae_conformance.comparison import Observations
from alae_conformance.experiments.calls import Call, call_is_refused, calls, refused_calls, views
from alae_conformance.experiments.experiment import experiment
from alae_conformance.experiments.ranges import MANY
from alae_conformance.experiments.setting import Setting
from alae_conformance.experiments.states import differing_names, sorted_names
from alae_conformance.experiments.values import FINE
from alae_conformance.fixture import Fixture, config_of
from alae_conformance.subjects import Arrays, Subject

#: numbers of images in one call: around one and two of a model's own batches
_LENGTHS = (0, 1, 511, 512, 513, 515, 1024)
#: number of images with random noise in a call, and of calls
_RANDOM, _CALLS = 16, 40
#: a statistic of random noise, which has no seed
UNSEEDED = "variance between images of random noise"


def looked_state(setting: Setting) -> Arrays:
    """Return a state with averages that differ from the weights, and a mean of w."""
    state = setting.initial_state()
    averages = {f"averages/{name}": np.flip(array) for name, array in tapes.group("weights", state).items()}
    return state | averages | ({"w_mean": setting.tape["w"][-1]} if "w_mean" in state else {})


@experiment(rounding="kinks", trains=False)
def looking(subject: Subject, setting: Setting) -> Observations:
    """Call every method of the model; looking must leave the state unchanged."""
    setting.open(subject)
    subject.load(looked_state(setting))
    before, observed = subject.state(), _refusals(subject, setting)
    dtypes: list[str] = []
    for name, call in calls(setting.fixture, setting.tape).items():
        observed |= observe(name, call.on(subject), setting, dtypes)
    observed["dtypes/results"] = sorted_names(dtypes)
    return observed | {"still/state": differing_names(subject.state(), before)}


def _refusals(subject: Subject, setting: Setting) -> Observations:
    """Return which of the calls that a model should refuse, and of those that it should not, it refuses."""
    found = refused_calls(config_of(setting.fixture, setting.lane), setting.tape, subject.look("weights"))
    return {f"exact/refuses {name}": np.array(call_is_refused(subject, call)) for name, call in found.items()}


@experiment(trains=False)
def own_results(subject: Subject, setting: Setting) -> Observations:
    """Call every method of the model, and change the arrays that it returns: neither its arguments may follow, nor it.

    `as_seen` may return the images themselves.
    """
    setting.open(subject)
    subject.load(looked_state(setting))
    found = {name: call for name, call in calls(setting.fixture, setting.tape).items() if call.method != "as_seen"}
    found |= {name: Call(name, (), {}) for name in ("weights", "mean_of_w")}
    return {"still/results that are not the caller's own": sorted_names(subject.borrowed_results(found))}


@experiment()
def lengths(subject: Subject, setting: Setting) -> Observations:
    """Call the methods for other numbers of images than those of a model's batch, with rows that repeat."""
    setting.open(subject)
    subject.load(looked_state(setting))
    observed = Observations()
    for name, call in lengthened(setting.fixture, setting.tape).items():
        few = call.on(subject)
        for count in _LENGTHS:
            many = repeat_rows(call, len(few), count).on(subject)
            observed[f"exact/shape of {name} of {count}"] = np.array(many.shape)
            observed[f"looking/{name} of {count}"] = worst_rows(many, few)
            # A D on images compares those of a batch, so rows with equal images may differ, and the last one most.
            observed[f"looking/end of {name} of {count}"] = many[-1:]
    observed[f"exact/end of sample_prior of {MANY}"] = subject.look("sample_prior", MANY)[-2:]
    return observed


def lengthened(fixture: Fixture, tape: Mapping[str, np.ndarray]) -> dict[str, Call]:
    """Return the calls whose results have a row for each image; for style networks, some of them in one view."""
    chosen = {"map", "discriminate"}
    if fixture.levels:
        _, where, *_ = views(fixture)
        # Only a few, because every graph of style networks takes long to compile.
        chosen |= {f"generate maps{where}", f"reconstruct maps{where}", f"encode bytes{where}"}
        chosen |= {f"discriminate floats{where}"}
    else:
        chosen |= {"encode floats", "hidden floats", "w_of floats", "as_seen floats", "encode bytes"}
        chosen |= {"generate", "reconstruct", "reencode"}
    return {name: call for name, call in calls(fixture, tape).items() if name in chosen}


def repeat_rows(call: Call, rows: int, count: int) -> Call:
    """Return a call with the rows of all its arrays repeated up to `count`."""

    def repeat(array: np.ndarray) -> np.ndarray:
        if len(array) != rows:
            return array
        return np.resize(array, (count, *array.shape[1:])) if count else array[:0]

    return call.with_arrays(repeat)


def worst_rows(many: np.ndarray, few: np.ndarray) -> np.ndarray:
    """Return, for each row of `few`, the row of `many` that should equal it and differs most from it."""
    worst = []
    for first, row in enumerate(few[: len(many)]):
        same = many[first :: len(few)]
        difference = np.abs(same - row).reshape(len(same), -1).max(1)
        worst.append(same[np.argmax(difference)])
    return np.array(worst).reshape(-1, *many.shape[1:])


@experiment()
def random_noise(subject: Subject, setting: Setting) -> Observations:
    """Generate images with random noise: new maps for each image and call, from N(0, 1)."""
    setting.open(subject)
    subject.load(looked_state(setting))
    w = np.repeat(setting.tape["w"][:1], _RANDOM, 0)
    random = [subject.look("generate", w, noise="random") for _ in range(_CALLS)]
    maps = [subject.look("sample_noise", _RANDOM, seed) for seed in range(_CALLS)]
    given = [subject.look("generate", w, noise=noise) for noise in maps]
    first, second, *_ = random
    # The mean variance between images is that of maps from N(0, 1), unless the noise is distributed differently.
    of_random, of_given = (np.array([images.var(0).mean() for images in calls]) for calls in (random, given))
    spread = np.sqrt((of_random.var() + of_given.var()) / _CALLS)
    return {
        f"noise/{UNSEEDED}": np.asarray((of_random.mean() - of_given.mean()) / spread),
        "exact/images differ": np.asarray(len(np.unique(first.reshape(_RANDOM, -1), axis=0)) == _RANDOM),
        "exact/calls differ": np.asarray(not np.array_equal(first, second)),
    }


@experiment()
def checkpointed(subject: Subject, setting: Setting) -> Observations:
    """Look at the averaged and at the trained networks of a checkpoint, which was written while a level faded in.

    Weights that replace them have other values, or digits that float32 cannot hold.
    """
    setting.open(subject)
    step = {"step": np.array(setting.fixture.grown[0] + 2)} if setting.fixture.grown else {}
    subject.load(looked_state(setting) | step)
    path = subject.save(str(setting.checkpoint_home("looked")))
    inputs, observed, dtypes = setting.tape, Observations(), list[str]()
    labels = {"labels": inputs["labels"][0]} if "labels" in inputs else {}
    for kind, averaged in (("averaged", True), ("trained", False)):
        subject.open_checkpoint(path, averaged)
        shape = subject.look("image_shape")
        images = inputs["images"][0][:, : shape[0], : shape[1]]
        looked = {
            "image_shape": shape,
            "map": subject.look("map", inputs["z/generator"], **labels),
            "generate": subject.look("generate", inputs["w"], **labels),
            "encode": subject.look("encode", images, **labels),
            "as_seen": subject.look("as_seen", images),
            "weights": subject.look("weights"),
            "mean_of_w": subject.look("mean_of_w"),
        }
        if "w_mean" in subject.state():
            looked["truncate"] = subject.look("truncate", inputs["w"])
        for name, result in looked.items():
            observed |= observe(f"{name} of {kind}", result, setting, dtypes)
        observed[f"exact/arrays of a run from the {kind} model that are not its own"] = _arrays_of_others(
            subject, looked
        )
        again = {"generate": inputs["w"], "map": inputs["z/generator"], "encode": images}
        for change, digits in ((np.flip, ""), (lambda array: array * FINE, ", all digits")):
            subject.look("set_weights", {name: change(array) for name, array in looked["weights"].items()})
            for method, rows in again.items():
                result = subject.look(method, rows, **labels)
                observed |= observe(f"{method} after set_weights of {kind}{digits}", result, setting, dtypes)
    return observed | {"dtypes/results": sorted_names(dtypes)}


def _arrays_of_others(subject: Subject, looked: Mapping[str, Any]) -> np.ndarray:
    """Return the names of arrays that a run which starts from a model does not have from it, and are not zero."""
    state = subject.begun_state()
    own = {f"{group}/{name}": array for group in ("weights", "averages") for name, array in looked["weights"].items()}
    if looked["mean_of_w"] is not None:
        own["w_mean"] = looked["mean_of_w"]
    return differing_names(state, {name: np.zeros_like(array) for name, array in state.items()} | own)


def observe(name: str, result: Any, setting: Setting, dtypes: list[str]) -> Observations:
    """Return a result's arrays; the names of those of another dtype than the model's are added to `dtypes`."""
    if isinstance(result, dict):
        parts = {f"{name}/{key}": value for key, value in result.items()}
    elif isinstance(result, list) and any(isinstance(value, np.ndarray) for value in result):
        parts = {f"{name}/{number}": value for number, value in enumerate(result)}
    else:
        parts = {name: result}
    observed, dtype = Observations(), config_of(setting.fixture, setting.lane).dtype
    for part, value in parts.items():
        array = np.asarray("none" if value is None else value)
        # Random numbers of the specification are float32 in every lane.
        exact = array.dtype.kind != "f" or name.startswith("sample")
        observed[f"{'exact' if exact else 'looking'}/{part}"] = array
        if not exact and array.dtype != dtype:
            dtypes.append(f"{part} is {array.dtype}")
    return observed
