"""L1: every method of a model."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from alae_conformance import tape as tapes
from alae_conformance.comparison import Observations
from alae_conformance.experiments.experiment import experiment
from alae_conformance.experiments.setting import Setting
from alae_conformance.experiments.states import differing_names, sorted_names
from alae_conformance.fixture import Fixture, config_of
from alae_conformance.subjects import Arrays, Subject
from alae_core.errors import ArgumentError, CheckpointError
from alae_core.images import to_uint8
from alae_core.view import View

#: numbers of images in one call: around one and two of a model's own batches
_LENGTHS = (0, 1, 511, 512, 513, 515, 1024)
#: number of images with random noise in a call, and of calls
_RANDOM, _CALLS = 16, 40
_SEEDS = (0, 2**63 - 1)
#: a statistic of random noise, which has no seed
UNSEEDED = "variance between images of random noise"


#: add a call by a name, whose first word is the method, with arguments and options; options of None are left out
Add = Callable[..., None]


class Call(NamedTuple):
    """A call of a model's method."""

    method: str
    arguments: tuple[Any, ...]
    options: Mapping[str, Any]

    def on(self, subject: Subject) -> Any:
        """Make the call."""
        return subject.look(self.method, *self.arguments, **self.options)


def calls(fixture: Fixture, tape: Mapping[str, np.ndarray]) -> dict[str, Call]:
    """Return calls of every method that the fixture's model has, by the names of their results."""
    config, found = config_of(fixture, "float32"), dict[str, Call]()
    z, labels = tape["z/generator"], tape["labels"][0] if "labels" in tape else None

    def add(name: str, *arguments: Any, **options: Any) -> None:
        method = name.split(" ")[0]
        found[name] = Call(method, arguments, {key: value for key, value in options.items() if value is not None})

    add("map", z, labels=labels)
    if not config.classes_of("F"):
        add("F", z)
    add("has FGED", "FGED")
    add("has V", "V")
    for seed in _SEEDS:
        add(f"sample_prior by {seed}", 5, seed)
    for update in (name for name in ("generator", "reciprocity") if f"z/{name}" in tape):
        add(f"update {update}", update)
    if config.networks.discriminator == "latent":
        add("discriminate", tape["w"], labels=labels)
        if not config.classes_of("D"):
            add("D", tape["w"])
    if config.growth:
        add_truncations(add, tape, 2 * config.lods)
    for where, view in views(fixture).items():
        add_views(add, tape, where, view, config.networks.discriminator == "images")
    return found


def add_truncations(add: Add, tape: Mapping[str, np.ndarray], layers: int) -> None:
    """Add calls of `truncate`, and of `generate` on a style for each layer."""
    styles = styles_of(tape["w"], layers)
    for psi in (None, 0.0, 0.7, 1.0):
        add(f"truncate by {psi}", tape["w"], psi)
        add(f"truncate styles by {psi}", styles, psi)
    add("generate of styles", styles)
    add("reencode of styles", styles)
    if layers > 2:
        # Styles beyond the layers of a coarser level are not used.
        add("generate of more styles", styles, View(layers // 2 - 2))


def add_views(add: Add, tape: Mapping[str, np.ndarray], where: str, view: View | None, sees_images: bool) -> None:
    """Add calls of the methods that depend on the view, on floats and bytes, with each kind of noise.

    `where` ends their names; `sees_images` is whether D is applied to images.
    """
    images, w = images_of(tape, view), tape["w"]
    labels = tape["labels"][0] if "labels" in tape else None
    # One of them is ordered by columns in memory.
    for kind, shown in (("floats", images), ("bytes", np.asfortranarray(to_uint8(images)))):
        for method in ("encode", "hidden", "w_of"):
            add(f"{method} {kind}{where}", shown, view, labels=labels)
        add(f"as_seen {kind}{where}", shown, view)
        if sees_images:
            add(f"discriminate {kind}{where}", shown, view, labels=labels)
    noises: dict[str, Any] = {"": None}
    if view is not None:
        maps = [tape[f"noise/{layer}"] for layer in range(2 * (view.lod + 1))]
        noises |= {" maps": maps, " shared maps": [array[:1] for array in maps]}
        noises |= {f" {word}": word for word in ("fixed", "none", "bump")}
        for seed in _SEEDS:
            add(f"sample_noise by {seed}{where}", 2, seed, view)
    for name, noise in noises.items():
        add(f"generate{name}{where}", w, view, noise=noise, labels=labels)
        add(f"reconstruct{name}{where}", images, view, noise=noise, labels=labels)
        add(f"reencode{name}{where}", w, view, noise=noise, labels=labels)
    add(f"image_shape{where}", view)
    add(f"batch_size{where}", view)
    for count in (1100, 1024, 0):
        add(f"chunks {count}{where}", count, view)


def views(fixture: Fixture) -> dict[str, View | None]:
    """Return the views of a fixture by the suffix of names, and the default."""
    return {"": None} | {f" at level {lod}, blend {blend:g}": View(lod, blend) for lod, blend in fixture.levels}


def images_of(tape: Mapping[str, np.ndarray], view: View | None) -> np.ndarray:
    """Return the first batch of images, cut to a view's size."""
    size = None if view is None else view.size
    return tape["images"][0][:, :size, :size]


def styles_of(w: np.ndarray, layers: int) -> np.ndarray:
    """Return a different style for each layer, (batch, layers, w): the columns of w, rotated."""
    return np.stack([np.roll(w, layer, 1) for layer in range(layers)], 1)


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
    """Return whether the model refuses class numbers that it lacks, and weights that do not fit."""
    config, w, weights = config_of(setting.fixture, setting.lane), setting.tape["w"], subject.look("weights")
    calls = {
        "unknown weights": Call("set_weights", (weights | {"H/dense0/kernel": np.zeros(3)},), {}),
        "missing weights": Call("set_weights", (dict(list(weights.items())[1:]),), {}),
    }
    if config.labels:
        for label in (-1, config.labels):
            labels = np.array([label, *[0] * (len(w) - 1)])
            # Style networks have labels for F, others for G.
            method, rows = ("map", setting.tape["z/generator"]) if config.growth else ("generate", w)
            calls[f"the class {label}"] = Call(method, (rows,), {"labels": labels})
    return {f"exact/refuses {name}": np.array(_is_refused(subject, call)) for name, call in calls.items()}


def _is_refused(subject: Subject, call: Call) -> bool:
    try:
        call.on(subject)
    except (ArgumentError, CheckpointError):
        return True
    return False


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

    def repeat(value: Any) -> Any:
        if isinstance(value, list):
            return [repeat(part) for part in value]
        if not isinstance(value, np.ndarray) or len(value) != rows:
            return value
        return np.resize(value, (count, *value.shape[1:])) if count else value[:0]

    options = {key: repeat(value) for key, value in call.options.items()}
    return Call(call.method, tuple(repeat(value) for value in call.arguments), options)


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
    """Look at the averaged and at the trained networks of a checkpoint, which was written while a level faded in."""
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
            "weights": subject.look("weights"),
            "mean_of_w": subject.look("mean_of_w"),
        }
        if "w_mean" in subject.state():
            looked["truncate"] = subject.look("truncate", inputs["w"])
        for name, result in looked.items():
            observed |= observe(f"{name} of {kind}", result, setting, dtypes)
        subject.look("set_weights", {name: np.flip(array) for name, array in looked["weights"].items()})
        again = subject.look("generate", inputs["w"], **labels)
        observed |= observe(f"generate after set_weights of {kind}", again, setting, dtypes)
    return observed | {"dtypes/results": sorted_names(dtypes)}


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
