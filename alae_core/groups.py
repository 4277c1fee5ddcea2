"""The groups of a configuration: networks, growth, adam, updates and augment."""

from typing import Annotated, ClassVar, Literal, get_args

from pydantic import Field, NonNegativeInt, PositiveFloat, Strict, model_validator

from alae_core._support.validation import Count, Frozen

#: layers one after the other at the most: deeper perceptrons take a framework minutes to build, and learn nothing
MOST_LAYERS = 100

#: an adaptive p of augmentation stays here or below: beyond, changes begin to leak into what is generated (Karras et
#: al. 2020, section 2.2)
MOST_P = 0.8

Layers = Annotated[int, Field(gt=0, le=MOST_LAYERS)]
# YAML has lists only; strict models would refuse them where a tuple keeps the configuration hashable.
Widths = Annotated[tuple[Count, ...], Strict(False), Field(max_length=MOST_LAYERS)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Probability = Annotated[float, Field(ge=0, le=1)]
Transform = Literal["flip", "shift", "scale", "rotate", "colour", "cutout"]


class Perceptron(Frozen):
    """One network of dense layers; its input and output sizes follow from its place in ALAE."""

    hidden: Widths = Field(description="widths of the layers before the last")
    slope: PositiveFloat = Field(
        0.2, description="negative slope of the leaky ReLU after each layer; 1 is no activation"
    )
    activate_output: bool = Field(False, description="leaky ReLU after the last layer too")
    pixel_norm: bool = Field(False, description="divide the input by its root mean square first")
    lrmul: PositiveFloat = Field(1.0, description="learning-rate multiplier of equalized layers")


class MlpNetworks(Frozen):
    """MLP-ALAE (paper section 5.1, permutation-invariant MNIST): F, G, E and D are perceptrons."""

    family: Literal["mlp"]
    z: Count = Field(description="size of the prior's z")
    w: Count = Field(description="size of the latent w")
    discriminator: ClassVar[str] = "latent"
    equalized: bool = Field(False, description="scale N(0, 1/lrmul²) kernels when used, instead of Glorot-uniform ones")
    F: Perceptron
    G: Perceptron
    E: Perceptron
    D: Perceptron

    @model_validator(mode="after")
    def _lrmul_needs_equalized(self) -> "MlpNetworks":
        for name in "FGED":
            lrmul = getattr(self, name).lrmul
            if lrmul != 1 and not self.equalized:
                raise ValueError(
                    f"{name}.lrmul is {lrmul:g}, which only equalized layers use: set equalized to true or lrmul to 1"
                )
        return self


class StyleNetworks(Frozen):
    """StyleALAE (paper section 4): G and E of L blocks each for images of 4·2^(L−1) pixels, F and D perceptrons."""

    equalized: ClassVar[bool] = True

    family: Literal["style"]
    z: Count = Field(description="size of the prior's z")
    w: Count = Field(description="size of the latent w")
    startf: Count = Field(description="feature maps at the highest resolution; each level down has twice as many")
    maxf: Count = Field(512, description="feature maps at the most")
    mapping_layers: Layers = Field(8, description="dense layers of F")
    encoder: Literal["style", "plain"] = Field("style", description="plain leaves the style statistics out of E")
    discriminator: Literal["latent", "images"] = Field(
        "latent", description="what D looks at: w = E(x) or, as a network beside E, the images themselves"
    )
    style_mixing: Probability = Field(0.9, description="how often a batch takes its finer layers' styles from other z")
    w_mean_beta: Fraction = Field(0.995, description="share that the running mean of w keeps at each generation")
    truncation_psi: Probability = Field(0.7, description="w′ = mean + ψ · (w − mean), where images are truncated")
    truncation_layers: NonNegativeInt = Field(
        8, le=MOST_LAYERS, description="style layers that are truncated, coarsest first"
    )

    @property
    def F(self) -> Perceptron:
        """F: pixel norm, then `mapping_layers` dense layers of w, each rectified."""
        hidden = (self.w,) * (self.mapping_layers - 1)
        return Perceptron(hidden=hidden, slope=0.2, pixel_norm=True, activate_output=True, lrmul=0.1)

    @property
    def D(self) -> Perceptron:
        """D on w: three dense layers with no activation between, as the authors have it."""
        return Perceptron(hidden=(self.w, self.w), slope=1.0, pixel_norm=False, activate_output=False, lrmul=0.1)

    def width(self, doublings: int) -> int:
        """Feature maps after so many doublings of `startf`."""
        return min(self.maxf, self.startf * 2**doublings)

    def widths(self, lods: int) -> list[int]:
        """Feature maps at each of `lods` levels of detail, coarsest first."""
        return [self.width(lods - 1 - lod) for lod in range(lods)]


class Level(Frozen):
    """One level of detail in training."""

    images: Count = Field(description="real images shown at this level")
    batch_size: Count | None = Field(None, description="batch_size, if not given")
    learning_rate: PositiveFloat | None = Field(None, description="adam.learning_rate, if not given")
    fade: Probability = Field(0.5, description="share of the images over which the level fades in; none at the first")


class Growth(Frozen):
    """How StyleALAE grows: a level for each resolution from 4×4 to the images' own."""

    levels: Annotated[tuple[Level, ...], Strict(False)]
    restart_adam: bool = Field(True, description="moments and counts start anew at each level")


class Adam(Frozen):
    """Adam as Keras and the authors place ε: step = α·(1−warmupᵗ) · √(1−β2ᵗ)/(1−β1ᵗ) · m/(√v + ε)."""

    learning_rate: PositiveFloat
    warmup: Fraction = Field(
        0.0, description="the rate starts at learning_rate · (1 − warmup) and rises; 0 is no warm-up"
    )
    beta1: Fraction = 0.0
    beta2: Fraction = 0.99
    epsilon: PositiveFloat = 1e-8


class Updates(Frozen):
    """What the paper and the authors' code do differently in a training step: independent choices, so that they cross.

    `paper` and `official` name the two bundles (`BUNDLES`); the defaults are the paper's.
    """

    adam: Literal["own", "shared"] = Field(
        "own", description="own: each update has an Adam; shared: one for E and D and one for F and G serve all updates"
    )
    distance: Literal["sum", "mean"] = Field(
        "sum",
        description="reciprocity's squares over w, or over pixels: summed, or averaged as over the batch",
    )
    target: Literal["followed", "constant"] = Field(
        "followed", description="whether F learns to meet E(G(F(z))): only where reciprocity trains F"
    )
    trains_F: bool = Field(False, description="whether reciprocity trains F, through G(F(z))")

    @property
    def bundle(self) -> str | None:
        """The name of the bundle that these choices are, if they are one."""
        return next((name for name, bundle in BUNDLES.items() if bundle == self), None)


BUNDLES = {
    "paper": Updates(adam="own", distance="sum", target="followed", trains_F=False),
    "official": Updates(adam="shared", distance="mean", target="constant", trains_F=True),
}


class Augment(Frozen):
    """How images, real and generated, are changed before D∘E sees them in the adversarial updates; see `augment.py`."""

    p: Probability = Field(0.0, description="how likely each transformation is; of an adaptive one, at the start")
    target: Annotated[float, Field(gt=-1, lt=1)] | None = Field(
        None,
        description="adaptive: p rises while D tells real from generated better (2 · AUC − 1) than this, else falls",
    )
    images: Count = Field(500_000, description="real images over which an adaptive p moves by 1")
    transforms: Annotated[tuple[Transform, ...], Strict(False)] = Field(
        get_args(Transform), min_length=1, description="what may happen to an image, each with probability p"
    )

    @model_validator(mode="after")
    def _does_something(self) -> "Augment":
        if self.target is None and not self.p:
            raise ValueError(
                "p is 0 and there is no target, so nothing would ever happen: set p, or a target such as 0.9, or leave "
                "augment out"
            )
        if self.target is not None and self.p > MOST_P:
            raise ValueError(f"p is {self.p:g}, but an adaptive one stays at {MOST_P:g} or below")
        return self
