"""Every constant of the specification: how it is changed, and the cases that judge it."""

from typing import NamedTuple

from alae_conformance.reference import augment, model, style
from alae_conformance.reference.augment import COLOUR, FLIP, ROTATE, SCALE, SHIFT
from alae_conformance.reference.features import Conv
from alae_conformance.reference.layers import Dense, Leaky, PixelNorm
from alae_conformance.reference.linear import Blur, UpsampleBilinear
from alae_conformance.reference.statistics import Spread, Statistics
from alae_conformance.sensitivity import changes
from alae_conformance.sensitivity.changes import Change, configured, field, method

#: relative changes that must fail: of rates, betas, γ and weights of losses, and of any other constant
SHARP, USUAL = 1e-3, 1e-2


class Constant(NamedTuple):
    """One constant of the specification.

    Attributes:
        cases: the ids of the cases that are measured, separated by spaces.
        aim: the relative change that must fail in one of them.
    """

    name: str
    cases: str
    change: Change
    aim: float = USUAL


_AUGMENTED = "L1-augmented-values"

CONSTANTS = [
    # ---- losses
    Constant("`r1_gamma`", "L1-leaky-values L2-smooth-averaged", configured("r1_gamma"), SHARP),
    Constant("`r2_gamma`", "L1-relativistic-values L2-relativistic-gradients", configured("r2_gamma"), SHARP),
    Constant("`updates.weight`", "L1-conv-values L2-conv-gradients", configured("updates.weight"), SHARP),
    Constant(
        "weight of D's loss on real images",
        "L1-leaky-values L1-large-values L1-hinge-values",
        changes.term_of("real"),
        SHARP,
    ),
    Constant(
        "weight of D's loss on generated images",
        "L1-leaky-values L1-large-values L1-hinge-values",
        changes.term_of("fake"),
        SHARP,
    ),
    Constant("weight of G's loss", "L1-leaky-values L2-smooth-averaged", changes.term_of("generator"), SHARP),
    Constant(
        "weight of reciprocity in w", "L1-leaky-values L2-smooth-averaged", method("loop", changes.scale_loss), SHARP
    ),
    Constant("weight of reciprocity in images", "L1-wasserstein-values", method("pixels", changes.scale_loss), SHARP),
    Constant("weight of the VAE's loss", "L1-vae-values", method("evidence", changes.scale_loss), SHARP),
    # ---- the optimizer and averages
    Constant("`adam.learning_rate`", "L3-leaky-substeps L3-smooth-laws", configured("adam.learning_rate"), SHARP),
    Constant("`adam.beta1`", "L3-smooth-substeps L3-smooth-laws", configured("adam.beta1"), SHARP),
    Constant("`adam.beta2`", "L3-leaky-substeps L3-smooth-laws", configured("adam.beta2"), SHARP),
    Constant("`adam.epsilon` = 1e-8", "L3-wasserstein-epsilon", configured("adam.epsilon")),
    Constant("`adam.epsilon` = 1e-3", "L3-smooth-substeps L3-smooth-laws", configured("adam.epsilon")),
    Constant("`adam.warmup`", "L3-smooth-substeps L3-smooth-laws", configured("adam.warmup")),
    Constant("`average_halflife`", "L3-leaky-run L3-smooth-laws", configured("average_halflife")),
    Constant("`average_warmup`", "L3-conv-run", configured("average_warmup")),
    Constant("`schedule.constant`", "L3-conv-run", configured("schedule.constant")),
    Constant("`schedule.rate_end`", "L3-conv-run L3-conv-late", configured("schedule.rate_end"), SHARP),
    Constant("`schedule.r1_gamma_end`", "L3-conv-run L3-conv-late", configured("schedule.r1_gamma_end"), SHARP),
    # ---- growth and styles
    Constant(
        "`growth.levels.learning_rate`",
        "L3-style-growth L3-style-levels",
        configured("growth.levels.learning_rate"),
        SHARP,
    ),
    Constant("`growth.levels.fade`", "L3-style-growth L3-lasting-paces", configured("growth.levels.fade")),
    Constant("`networks.w_mean_beta`", "L3-style-only L3-style-growth", configured("networks.w_mean_beta"), SHARP),
    Constant("`networks.style_mixing`", "L0-style-mixes", configured("networks.style_mixing")),
    Constant("`networks.truncation_psi`", "L1-looked-looking", configured("networks.truncation_psi")),
    Constant("deviation of the device's noise", "L0-style-noise L0-style-fields", changes.drawn_noise()),
    Constant("height of the bump", "L1-looked-looking", changes.attribute(style, "Bump", changes.scale_bump)),
    # ---- layers
    *(Constant(f"`networks.{name}.slope`", "L1-leaky-values", configured(f"networks.{name}.slope")) for name in "FGED"),
    *(
        Constant(f"`networks.{name}.lrmul`", "L1-official-values", configured(f"networks.{name}.lrmul"))
        for name in "FD"
    ),
    Constant("gain of equalized perceptrons", "L1-official-values", field(Dense, "scale", "FGED")),
    Constant("slope of style networks, G", "L1-style-values", field(Leaky, "slope", "G")),
    Constant("slope of style networks, E", "L1-style-values", field(Leaky, "slope", "E", "described")),
    Constant("slope after from_rgb", "L1-style-values", field(Leaky, "slope", "E", "from_rgb")),
    Constant("slope of conv networks, G", "L1-conv-values", field(Leaky, "slope", "G")),
    Constant("slope of conv networks, E", "L1-conv-values", field(Leaky, "slope", "E")),
    Constant("gain of G's convolutions", "L1-style-values L1-deep-values", field(Conv, "scale", "G", "conv")),
    Constant("gain of to_rgb", "L1-style-values", field(Conv, "scale", "G", "to_rgb")),
    Constant("gain of G's styles", "L1-style-values", field(Dense, "scale", "G", "style")),
    Constant("gain of E's convolutions", "L1-style-values L1-deep-values", field(Conv, "scale", "E", "described")),
    Constant("gain of from_rgb", "L1-style-values", field(Conv, "scale", "E", "from_rgb")),
    Constant("gain of E's styles", "L1-style-values", field(Dense, "scale", "E", "style")),
    Constant("centre of the blur", "L1-style-values", changes.layers(Blur, lambda _, f: changes.OtherBlur(f))),
    Constant(
        "nearest pixel of bilinear upsampling",
        "L1-conv-values",
        changes.layers(UpsampleBilinear, lambda _, f: changes.OtherBilinear(f)),
    ),
    Constant("ε of pixel norm", "L1-official-faint", field(PixelNorm, "epsilon", "FGED")),
    Constant("ε of a normalized w", "L1-conv-faint", field(PixelNorm, "epsilon", "FE")),
    Constant("ε of G's instance norm", "L1-style-faint L1-deep-values", field(PixelNorm, "epsilon", "G")),
    Constant("ε of E's instance norm", "L1-style-faint L1-deep-values", field(PixelNorm, "epsilon", "E")),
    Constant("ε of E's statistics", "L1-style-faint L1-deep-values", field(Statistics, "epsilon", "E")),
    Constant("ε of D's spread over a group", "L1-spread-faint L1-plain-values", field(Spread, "epsilon", "D")),
    Constant(
        "deviation of initial kernels",
        "L0-leaky-initial L0-conv-initial L0-style-initial",
        method("initial_weight", changes.scale_kernel),
    ),
    Constant(
        "scale of images in bytes",
        "L1-labels-looking",
        changes.attribute(model, "to_floats", changes.scale_bytes),
    ),
    # ---- augmentation
    Constant("`augment.p`", "L1-augmented-edges", configured("augment.p")),
    Constant("probability of a flip, p/2", "L1-augmented-edges", changes.numbers(FLIP, lambda drawn, f: drawn / f)),
    Constant("range of shifts", _AUGMENTED, changes.range_of(SHIFT, 1)),
    Constant("range of scales", _AUGMENTED, changes.range_of(SCALE, 1)),
    Constant("range of rotations", _AUGMENTED, changes.range_of(ROTATE, 1)),
    Constant("range of brightness", _AUGMENTED, changes.range_of(COLOUR, 1, 2)),
    Constant("range of contrast", _AUGMENTED, changes.range_of(COLOUR, 2, 3)),
    Constant("range of saturation", _AUGMENTED, changes.range_of(COLOUR, 3, 4)),
    Constant("range of hue", _AUGMENTED, changes.range_of(COLOUR, 4, 5)),
    Constant("side of a cut-out", "L1-augmented-edges", changes.attribute(augment, "CUT_SHARE", changes.multiply)),
    Constant("`augment.target`", "L3-met-run", configured("augment.target")),
    Constant("`augment.images`", "L3-adaptive-run", method("p_step", changes.scale_step_of_p)),
    Constant("largest p", "L3-adaptive-run", method("p_step", changes.limit_p)),
]
