"""Calls of a model's methods: those with results, and those that it should refuse."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from alae_conformance import tape as tapes
from alae_conformance.fixture import Fixture, config_of
from alae_conformance.subjects import Subject, shown_update
from alae_core.config import Config
from alae_core.errors import ArgumentError, CheckpointError
from alae_core.images import to_uint8
from alae_core.view import View

_SEEDS = (0, 2**63 - 1)
#: factors of inputs, which need not lie in −1 … 1; in float64 the small one changes results
_FACTORS = {"large": 2.0**10, "tiny": 2.0**-30}
#: blends at and near the ends of a fade, at a level that other calls see amid its fade
_ENDS = (0.0, 1 - 2**-8)

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

    def with_arrays(self, change: Callable[[np.ndarray], np.ndarray]) -> "Call":
        """Return the call with `change(array)` in place of each of its arrays."""

        def changed(value: Any) -> Any:
            if isinstance(value, list):
                return [changed(part) for part in value]
            return change(value) if isinstance(value, np.ndarray) else value

        options = {key: changed(value) for key, value in self.options.items()}
        return Call(self.method, tuple(changed(value) for value in self.arguments), options)

    def of_dtype(self, dtype: str) -> "Call":
        """Return the call with copies of its arrays, floats in another dtype."""
        return self.with_arrays(lambda array: np.array(array, dtype if array.dtype.kind == "f" else array.dtype))


def calls(fixture: Fixture, tape: Mapping[str, np.ndarray]) -> dict[str, Call]:
    """Return calls of every method that the fixture's model has, by the names of their results."""
    config, found = config_of(fixture, "float32"), dict[str, Call]()
    z, labels = tape[f"z/{shown_update(tapes.group('z', tape))}"], tape["labels"][0] if "labels" in tape else None

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
    if config.networks.discriminator == "latent" and tapes.group("weights/D", tape):
        add("discriminate", tape["w"], labels=labels)
        if not config.classes_of("D"):
            add("D", tape["w"])
    if config.growth:
        add_truncations(add, tape, 2 * config.lods)
    # First, because what is compiled for a level may keep the kind of blend that it is first seen at.
    add_ends(add, tape, fixture, labels)
    for where, view in views(fixture).items():
        add_views(add, tape, where, view, config.networks.discriminator == "images")
    if config.growth is None or config.lods == 1:
        # Functions of larger style networks take long to compile.
        add_unusual(add, tape, config, labels)
    return found


def add_unusual(add: Add, tape: Mapping[str, np.ndarray], config: Config, labels: np.ndarray | None) -> None:
    """Add calls on large and tiny numbers, and one with a map of noise for each image in the first layer too."""
    for word, factor in _FACTORS.items():
        images, w = tape["images"][0] * factor, tape["w"] * factor
        add_each(add, images, w, None, labels, kind=f" {word}")
        if config.networks.discriminator == "latent" and tapes.group("weights/D", tape):
            add(f"discriminate {word}", w, labels=labels)
    if config.growth:
        first, *others = (tape[f"noise/{layer}"] for layer in range(2 * config.lods))
        own = np.stack([np.roll(first[0], number, 0) for number in range(len(w))])
        add("generate own first map", tape["w"], noise=[own, *others], labels=labels)


def add_ends(add: Add, tape: Mapping[str, np.ndarray], fixture: Fixture, labels: np.ndarray | None) -> None:
    """Add calls at both ends of a fade, which need no graphs of their own."""
    fading = next((lod for lod, blend in fixture.levels if 0 < blend < 1), None)
    for view in () if fading is None else (View(fading, blend) for blend in _ENDS):
        where = f" at level {view.lod}, blend {view.blend:g}"
        add_each(add, images_of(tape, view), tape["w"], view, labels, where=where)


def add_each(
    add: Add,
    images: np.ndarray,
    w: np.ndarray,
    view: View | None,
    labels: np.ndarray | None,
    kind: str = "",
    where: str = "",
) -> None:
    """Add a call of each method on images or w; `kind` follows the method in their names, and `where` ends them."""
    for method in ("encode", "hidden", "w_of", "reconstruct"):
        add(f"{method}{kind} floats{where}", images, view, labels=labels)
    add(f"as_seen{kind} floats{where}", images, view)
    for method in ("generate", "reencode"):
        add(f"{method}{kind}{where}", w, view, labels=labels)


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
    # One of them is ordered by columns in memory, as is w in some calls.
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
        add(f"reencode{name}{where}", np.asfortranarray(w), view, noise=noise, labels=labels)
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


def call_is_refused(subject: Subject, call: Call) -> bool:
    """Make a call; return whether the subject refuses it."""
    try:
        call.on(subject)
    except (ArgumentError, CheckpointError):
        return True
    return False


def refused_calls(config: Config, tape: Mapping[str, np.ndarray], weights: Mapping[str, np.ndarray]) -> dict[str, Call]:
    """Return calls that a model should refuse, by the reason; and one with unusual images that it should accept."""
    images, w = tape["images"][0], tape["w"]
    z = next(rows for name, rows in tape.items() if name.startswith("z/") and len(rows))
    own = {"labels": tape["labels"][0]} if config.labels else {}
    grey = to_uint8(images).astype(np.float64)
    found = {
        "unknown weights": Call("set_weights", ({**weights, "H/dense0/kernel": np.zeros(3)},), {}),
        "missing weights": Call("set_weights", (dict(list(weights.items())[1:]),), {}),
        "an unknown update": Call("update", ("H",), {}),
        "images of another height": Call("encode", (images[:, 1:],), own),
        "images of other channels": Call("encode", (images[..., 1:],), own),
        "whole numbers as images": Call("encode", (images.astype(np.int64),), own),
        "grey levels as floats": Call("encode", (grey,), own),
        "grey levels of dark images as floats": Call("as_seen", (grey / 100,), {}),
        "floats of 0 … 1": Call("as_seen", (grey / 255,), {}),
        "w of another size": Call("generate", (w[:, 1:],), own),
        "z of another size": Call("map", (z[:, 1:],), own),
        "a seed below zero": Call("sample_prior", (2, -1), {}),
        "a seed of 2^63": Call("sample_prior", (2, 2**63), {}),
        "a strength of truncation above 1": Call("truncate", (w, 1.5), {}),
        "a strength of truncation below 0": Call("truncate", (w, -0.5), {}),
        "a level beyond the last": Call("image_shape", (View(config.lods if config.growth else 0),), {}),
        "maps of noise of too few layers": Call("generate", (w,), own | {"noise": [np.zeros((1, 4, 4, 1))]}),
    }
    if config.growth:
        found["an unknown kind of noise"] = Call("generate", (w,), own | {"noise": "loud"})
    # Style networks have labels for F, others for G.
    method, rows = ("map", z) if config.growth else ("generate", w)
    if not config.labels:
        return found | {"labels of a model without them": Call(method, (rows,), {"labels": np.zeros(len(rows), int)})}
    for label in (-1, config.labels):
        labels = np.array([label, *[0] * (len(rows) - 1)])
        found[f"the class {label}"] = Call(method, (rows,), {"labels": labels})
    wrong = {"no labels": None, "too few labels": own["labels"][1:], "labels of floats": own["labels"] + 0.0}
    return found | {name: Call(method, (rows,), {"labels": labels}) for name, labels in wrong.items()}
