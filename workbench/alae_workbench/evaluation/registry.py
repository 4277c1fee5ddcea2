"""The table of measures: every number that describes a model, when it is taken, and the function that takes it.

This module does not import Keras or NumPy: `alae measures` and the check of `--measures` only read this table. `load`
imports the functions when a measure is taken.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from itertools import product
from typing import Any, Literal, Protocol

from alae_core import AlaeError
from alae_core._support.text import suggest

#: when a measure is taken: with each report of a run, with each checkpoint, at the end of a run, by `alae evaluate`, or
#: only if it is requested by name. The end of a run also takes the measures of reports and checkpoints
When = Literal["report", "checkpoint", "end", "evaluate", "request"]
#: which values are better; "" for a measure by which models cannot be ranked
Better = Literal["lower", "higher", ""]
#: requirements of a measure besides networks: class labels of the images, downloaded weights of a network that others
#: trained, or such weights in a package of the extra `[measures]`
Need = Literal["labels", "weights", "package"]
#: images whose number limits the precision of a measure
Sample = Literal["held_out", "samples"]
#: smallest numbers of images for a share of them (a standard error of at most 0.05), a distance of sets in some feature
#: space, and a mean over images
LEAST_SHARE, LEAST_DISTANCE, LEAST_MEAN = 100, 1_000, 10
#: maximum number of z or images that a measure uses in a report and at a checkpoint; unlimited otherwise
LIMITS: dict[When, int] = {"report": 256, "checkpoint": 512}
#: samples that the measures named `…50k…` use, and maximum number of real images that they are compared with
FID_SAMPLES = 50_000
#: training images that the nearest-neighbour measures taken at the end of a run search
NEIGHBOURS = 10_000

_PACKAGE = "alae_workbench.evaluation"


class UnmeasurableError(AlaeError):
    """A measure has no value for this model or these images."""


@dataclass(frozen=True)
class Measure:
    """One number that a model is measured by: a row of the table.

    Attributes:
        name: unique; used in records, tables and options.
        group: selects several measures at once. A group and a measure may share a name.
        description: for tables.
        better: which values are better.
        networks: the networks it needs, such as "GE"; it is skipped for models that lack one.
        when: when it is taken.
        function: "package.module:function". Called as `function(subject, *arguments)`, it returns a float, or a mapping
            from names of measures to floats, or to an UnmeasurableError for a measure without a value.
        arguments: further arguments of the function. Rows with equal function and arguments are computed in one call.
        needs: other requirements, for `alae measures`.
        symbol: short form for lines of progress; "" is the name.
        sample: the images whose number limits its precision; None for a measure of z, and if unknown.
        least: number of these images below which tables mark its value.
    """

    name: str
    group: str
    description: str
    better: Better
    networks: str
    when: When
    function: str
    arguments: tuple[Any, ...] = ()
    needs: tuple[Need, ...] = ()
    symbol: str = ""
    sample: Sample | None = None
    least: int = 0

    @property
    def arrow(self) -> str:
        """↓ if lower values are better, ↑ if higher, else ""."""
        return {"lower": "↓", "higher": "↑", "": ""}[self.better]


def load(reference: str) -> Any:
    """Import the object that a reference "package.module:name" stands for."""
    module, _, name = reference.partition(":")
    return getattr(import_module(module), name)


def resolve_measures(words: Iterable[str]) -> list[str]:
    """Return the names of measures that words select, without duplicates.

    A word is the name of a measure or of a group.

    Raises AlaeError for any other word, with the most similar name.
    """
    groups: dict[str, list[str]] = {}
    for measure in MEASURES.values():
        groups.setdefault(measure.group, []).append(measure.name)
    names: list[str] = []
    for word in words:
        if word not in groups and word not in MEASURES:
            hint = suggest(word, [*groups, *MEASURES])
            raise AlaeError(f"there is no measure {word!r}{hint}; see `alae measures`; groups: {', '.join(groups)}")
        names += groups.get(word, [word])
    return list(dict.fromkeys(names))


def default_measures() -> list[str]:
    """Return the names of all measures that `alae evaluate` takes by default."""
    return [measure.name for measure in MEASURES.values() if measure.when != "request"]


def measures_due(when: When) -> list[str]:
    """Return the names of the measures that a run takes at a moment."""
    moments = ("report", "checkpoint", "end") if when == "end" else (when,)
    return [measure.name for measure in MEASURES.values() if measure.when in moments]


# ---- the table -------------------------------------------------------------------------------------------------------

#: the feature spaces that sets of images are compared in, by the ending of their measures' names; see `spaces.Space`
SPACES = {
    "random64": f"{_PACKAGE}.spaces:RANDOM64",
    "efficientnet_lite0": f"{_PACKAGE}.pretrained.efficientnet:EFFICIENTNET_LITE0",
    "inception_legacy": f"{_PACKAGE}.pretrained.inception:LEGACY",
    "inception_clean": f"{_PACKAGE}.pretrained.inception:CLEAN",
}


# The first arguments of `_define_call`.
_Call = tuple[str, str, str, When, tuple[Any, ...], tuple[Need, ...]]


class _MakeRows(Protocol):
    def __call__(self, *numbers: tuple[str, Better, str]) -> list[Measure]: ...


def _define_call(
    group: str,
    function: str,
    networks: str,
    when: When,
    arguments: tuple[Any, ...] = (),
    needs: tuple[Need, ...] = (),
    symbol: str = "",
    sample: Sample | None = None,
    least: int = 0,
) -> _MakeRows:
    """Return a function that makes the rows computed by one call, from triples (name, better, description)."""
    path = f"{_PACKAGE}.measures.{function}"

    def rows(*numbers: tuple[str, Better, str]) -> list[Measure]:
        return [
            Measure(name, group, description, better, networks, when, path, arguments, needs, symbol, sample, least)
            for name, better, description in numbers
        ]

    return rows


def _make_space_rows(space: str, group: str, when: When, *needs: Need) -> list[Measure]:
    """Return the comparisons of samples and of reconstructions with real images in one feature space."""
    images = f"samples and training images, {space}"
    compare: _Call = (group, "sample_quality:compare_samples", "GF", when, (space,), needs)
    return [
        *_define_call(*compare, sample="samples", least=LEAST_DISTANCE)(
            (f"fd_{space}", "lower", f"Fréchet distance, {images}"),
            (f"kd_{space}", "lower", f"kernel distance, {images}"),
        ),
        *_define_call(*compare, sample="samples", least=LEAST_SHARE)(
            (f"precision_{space}", "higher", f"precision, {images}"),
            (f"recall_{space}", "higher", f"recall, {images}"),
            (f"density_{space}", "higher", f"density, {images}"),
            (f"coverage_{space}", "higher", f"coverage, {images}"),
            (f"copied_{space}", "", f"share of samples closer to training images than held-out images are, {space}"),
        ),
        *_define_call(
            *(group, "sample_quality:compare_reconstructions", "GE", when, (space,), needs),
            sample="held_out",
            least=LEAST_DISTANCE,
        )(
            (f"fd_{space}_reconstructions", "lower", f"Fréchet distance, held-out images and reconstructions, {space}"),
        ),
    ]


def _make_fid_rows(resize: str) -> list[Measure]:
    """Return FID and related measures as papers report them, with one way to resize images for Inception."""
    network = f"Inception v3, {resize} resize"
    images = f"{FID_SAMPLES:,} samples and training images, {network}"
    return [
        *_define_call("inception", "fid:fid", "GF", "request", (resize,), ("weights",))(
            (f"fid50k_{resize}", "lower", f"FID, {images}"),
        ),
        *_define_call("inception", "fid:kid", "GF", "request", (resize,), ("weights",))(
            (f"kid50k_{resize}", "lower", f"KID, {images}"),
        ),
        *_define_call("inception", "fid:precision_and_recall", "GF", "request", (resize,), ("weights",))(
            (f"precision50k_{resize}", "higher", f"precision, {images}"),
            (f"recall50k_{resize}", "higher", f"recall, {images}"),
        ),
        *_define_call("inception", "fid:reconstruction_fid", "GE", "request", (resize,), ("weights",))(
            (f"rfid_{resize}", "lower", f"FID of held-out images and reconstructions, {network}"),
        ),
        *_make_space_rows(f"inception_{resize}", "inception", "request", "weights"),
    ]


_HELD_OUT: dict[str, Any] = {"sample": "held_out", "least": LEAST_SHARE}
_MEAN: dict[str, Any] = {"sample": "held_out", "least": LEAST_MEAN}
_ACCURACY = {"nn": "1-nearest-neighbour accuracy", "svm": "linear SVM accuracy"}
_REPRESENTATIONS: dict[str, tuple[str, Better]] = {
    "w": ("E(x)", "higher"),
    "long": ("the widest hidden layer of E", "higher"),
    "pixels": ("pixels", ""),
    "pca": ("as many principal components of pixels as w has dimensions", ""),
}


def _make_probe_rows(classifier: str, representation: str) -> list[Measure]:
    words, better = _REPRESENTATIONS[representation]
    description = f"{_ACCURACY[classifier]} on {words}, all training images"
    return _define_call(
        "probes", "probes:probe", "E", "evaluate", (classifier, representation), ("labels",), **_HELD_OUT
    )(
        (f"{classifier}_{representation}", better, description),
    )


def _make_path_length_rows(latent: str, where: str, crop: bool) -> list[Measure]:
    name, centre = ("_crop", ", centre of faces") if crop else ("", "")
    return _define_call("path_length", "path_length:path_length", "GF", "request", (latent, where, crop), ("weights",))(
        (f"ppl_{latent}_{where}{name}", "lower", f"perceptual path length in {latent}, {where}{centre}"),
    )


#: every measure by name, group by group, in the order of tables; a program may add its own
MEASURES: dict[str, Measure] = {
    measure.name: measure
    for rows in (
        _define_call("errors", "loop_error:reciprocity_error", "FGE", "report", symbol="e")(
            ("reciprocity_error", "lower", "reciprocity error ‖F(z) − E(G(F(z)))‖² / var F(z), held-out z"),
        ),
        _define_call("errors", "loop_error:reciprocity_error_details", "FGE", "evaluate")(
            ("reciprocity_error_median", "lower", "reciprocity error of one dimension of w, median"),
            ("reciprocity_error_worst", "lower", "reciprocity error of one dimension of w, maximum"),
            ("reciprocity_error_pixels", "lower", "reciprocity error in images (G(w) − G(E(G(w))))², held-out z"),
        ),
        _define_call("errors", "loop_error:reconstruction_error", "GE", "checkpoint", **_MEAN)(
            ("reconstruction_error", "lower", "reconstruction error (x − G(E(x)))², held-out images"),
        ),
        _define_call("errors", "baselines:measure_baselines", "GE", "end", **_MEAN)(
            ("mean_image_error", "", "the same error of the mean training image instead of G(E(x))"),
            ("nearest_image_error", "", "the same error of the nearest training image instead of G(E(x))"),
        ),
        _define_call("similarity", "similarity:measure_similarity", "GE", "evaluate", **_MEAN)(
            ("psnr", "higher", "PSNR of reconstructions in dB, held-out images"),
            ("ssim", "higher", "SSIM of reconstructions, held-out images"),
        ),
        _define_call("probes", "probes:probe", "E", "end", ("nn", "w", NEIGHBOURS), ("labels",), **_HELD_OUT)(
            ("nearest_neighbour_w", "higher", f"{_ACCURACY['nn']} on E(x), up to {NEIGHBOURS:,} training images"),
        ),
        _define_call("probes", "probes:probe", "E", "end", ("nn", "pixels", NEIGHBOURS), ("labels",), **_HELD_OUT)(
            ("nearest_neighbour_pixels", "", f"{_ACCURACY['nn']} on pixels, up to {NEIGHBOURS:,} training images"),
        ),
        *(_make_probe_rows(classifier, name) for name in _REPRESENTATIONS for classifier in _ACCURACY),
        _make_space_rows("random64", "samples", "evaluate"),
        _define_call("spread", "spread:spread_of_encodings", "E", "evaluate", **_HELD_OUT)(
            ("rank_encoded", "", "effective rank of E(x), held-out images"),
            ("isotropy_encoded", "", "isotropy of E(x), held-out images"),
        ),
        _define_call("spread", "spread:spread_of_prior", "F", "evaluate")(
            ("rank_mapped", "", "effective rank of F(z)"),
            ("isotropy_mapped", "", "isotropy of F(z)"),
        ),
        _define_call("consistency", "consistency:measure_consistency", "GE", "evaluate", **_HELD_OUT)(
            ("round_trip", "lower", "‖w − E(G(w))‖² / var w for w = E(x), held-out images"),
            ("edit_round_trip", "lower", "the same, with w edited before G and the edit subtracted after E"),
        ),
        _define_call("overfitting", "overfitting:discriminator_overfitting", "ED", "checkpoint", **_HELD_OUT)(
            ("overfitting", "lower", "discriminator overfitting: real-rate on training minus held-out images"),
        ),
        _make_space_rows("efficientnet_lite0", "perceptual", "request", "package"),
        *(_make_fid_rows(resize) for resize in ("legacy", "clean")),
        *(
            _define_call("lpips", "lpips:reconstruction_lpips", "GE", "request", (trunk,), ("weights",))(
                (f"lpips_{trunk}", "lower", f"LPIPS of reconstructions, {trunk}, held-out images"),
            )
            for trunk in ("alex", "vgg")
        ),
        *(_make_path_length_rows(*path) for path in product(("z", "w"), ("full", "end"), (False, True))),
    )
    for measure in rows
}
