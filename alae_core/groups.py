"""The groups of a configuration: networks, growth, adam, updates, schedule and augment."""

from typing import Annotated, ClassVar, Literal, get_args

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, Strict, model_validator

from alae_core._support.validation import Count, Frozen

#: maximum depth of a perceptron in layers: deeper ones take minutes to build and do not learn
MOST_LAYERS = 100

#: maximum of an adaptive p: above it, augmentation begins to show in generated images (Karras et al. 2020, section 2.2)
MOST_P = 0.8

Layers = Annotated[int, Field(gt=0, le=MOST_LAYERS)]
# Not strict, so that YAML lists become tuples, which are hashable.
Widths = Annotated[tuple[Count, ...], Strict(False), Field(max_length=MOST_LAYERS)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Probability = Annotated[float, Field(ge=0, le=1)]
Transform = Literal["flip", "shift", "scale", "rotate", "colour", "cutout"]
#: how kernels start: Glorot-uniform; N(0, 1/lrmul²), scaled when used; or He-normal
Kernels = Literal["glorot", "equalized", "he"]


class Perceptron(Frozen):
    """One network of dense layers; its role in ALAE decides its input and output sizes."""

    hidden: Widths = Field(description="widths of the layers before the last")
    slope: PositiveFloat = Field(
        0.2, description="negative slope of the leaky ReLU after each layer; 1 means no activation"
    )
    activate_output: bool = Field(False, description="whether a leaky ReLU follows the last layer too")
    pixel_norm: bool = Field(False, description="whether the input is first divided by its root mean square")
    lrmul: PositiveFloat = Field(1.0, description="learning-rate multiplier of equalized layers")


class Settings(Frozen):
    """Base of the hyper-parameters of a plug-in: a pydantic model, immutable, with strict types and no other keys.

    Annotations give types and ranges, such as `margin: PositiveFloat = 1.0`; `pydantic.Field` gives descriptions.
    """


class Networks(Settings):
    """Base of the group `networks` for a family in a plug-in; its subclass adds the fields of G and E.

    F and D are perceptrons on vectors, with He-normal kernels.
    """

    discriminator: ClassVar[str] = "latent"
    output: ClassVar[str] = "linear"
    kernels: ClassVar[Kernels] = "he"

    family: str
    z: Count = Field(description="size of the prior's z")
    w: Count = Field(description="size of the latent w")
    normalize_w: bool = Field(False, description="whether F's w is divided by its root mean square, as E's should be")
    F: Perceptron = Perceptron.model_validate({"hidden": (128, 128), "pixel_norm": True})
    D: Perceptron = Perceptron.model_validate({"hidden": (128,)})


class MlpNetworks(Frozen):
    """MLP-ALAE (paper section 5.1, permutation-invariant MNIST): F, G, E and D are perceptrons."""

    family: Literal["mlp"]
    z: Count = Field(description="size of the prior's z")
    w: Count = Field(description="size of the latent w")
    discriminator: ClassVar[str] = "latent"
    equalized: bool = Field(
        False, description="whether kernels are N(0, 1/lrmul²), scaled when used, instead of Glorot-uniform"
    )
    output: Literal["linear", "tanh"] = Field("linear", description="the activation of G's last layer")
    normalize_w: bool = Field(False, description="whether F's and E's w are divided by their root mean square")
    F: Perceptron
    G: Perceptron
    E: Perceptron
    D: Perceptron

    @property
    def kernels(self) -> Kernels:
        """How kernels start."""
        return "equalized" if self.equalized else "glorot"

    @model_validator(mode="after")
    def _check_lrmul(self) -> "MlpNetworks":
        for name in "FGED":
            lrmul = getattr(self, name).lrmul
            if lrmul != 1 and not self.equalized:
                raise ValueError(
                    f"{name}.lrmul is {lrmul:g}, which only equalized layers use: set equalized to true or lrmul to 1"
                )
        return self


class ConvNetworks(Frozen):
    """Small residual convolutional G and E without normalization layers; F and D are perceptrons (docs/recipe.md).

    G enlarges maps from H/2ⁿ × W/2ⁿ to H × W, where n = len(widths) − 1; E mirrors it.
    """

    discriminator: ClassVar[str] = "latent"
    kernels: ClassVar[Kernels] = "he"

    family: Literal["conv"]
    z: Count = Field(description="size of the prior's z")
    w: Count = Field(description="size of the latent w")
    widths: Widths = Field(
        min_length=2, description="feature maps at each resolution, coarsest first; each resolution has twice the side"
    )
    residual: NonNegativeInt = Field(
        2,
        description="number of resolutions, coarsest first, with a residual block in G, and in E where it has maps",
    )
    hidden: Count = Field(256, description="width of the dense layer between w and the coarsest feature maps")
    output: Literal["linear", "tanh"] = Field("tanh", description="the activation of G's last layer")
    normalize_w: bool = Field(True, description="whether F's and E's w are divided by their root mean square")
    F: Perceptron = Perceptron.model_validate({"hidden": (128, 128), "pixel_norm": True})
    D: Perceptron = Perceptron.model_validate({"hidden": (128,)})

    @property
    def factor(self) -> int:
        """The factor by which G enlarges the coarsest feature maps."""
        return 2 ** (len(self.widths) - 1)

    @model_validator(mode="after")
    def _check_perceptrons(self) -> "ConvNetworks":
        for name in "FD":
            if getattr(self, name).lrmul != 1:
                raise ValueError(f"{name}.lrmul is for equalized layers, which conv networks lack: omit it")
        if self.residual > len(self.widths):
            raise ValueError(f"residual is {self.residual}, but widths has {len(self.widths)} resolutions")
        return self


class StyleNetworks(Frozen):
    """StyleALAE (paper section 4): G and E of L blocks each for images of 4·2^(L−1) pixels, F and D perceptrons.

    G's output is linear, because levels fade in by sums of images; w is not normalized, because it is truncated towards
    its mean.
    """

    kernels: ClassVar[Kernels] = "equalized"

    family: Literal["style"]
    z: Count = Field(description="size of the prior's z")
    w: Count = Field(description="size of the latent w")
    startf: Count = Field(description="feature maps at the highest resolution; each coarser level has twice as many")
    maxf: Count = Field(512, description="maximum number of feature maps")
    mapping_layers: Layers = Field(8, description="number of dense layers of F")
    encoder: Literal["style", "plain"] = Field("style", description="plain: an E without style statistics")
    discriminator: Literal["latent", "images"] = Field(
        "latent", description="input of D: w = E(x), or the images themselves"
    )
    style_mixing: Probability = Field(
        0.9, description="probability that the finer layers of a batch take their styles from other z"
    )
    w_mean_beta: Fraction = Field(0.995, description="decay of the running mean of w at each generation")
    truncation_psi: Probability = Field(0.7, description="ψ of truncation: w′ = mean + ψ · (w − mean)")
    truncation_layers: NonNegativeInt = Field(
        8, le=MOST_LAYERS, description="number of style layers that are truncated, coarsest first"
    )
    # Fields with one value, which are not written, so that all families accept the same changes.
    output: Literal["linear"] = Field("linear", exclude=True, repr=False)
    normalize_w: Literal[False] = Field(False, exclude=True, repr=False)

    @property
    def F(self) -> Perceptron:
        """F: pixel norm, then `mapping_layers` dense layers of width w, each followed by a leaky ReLU."""
        hidden = (self.w,) * (self.mapping_layers - 1)
        return Perceptron(hidden=hidden, slope=0.2, pixel_norm=True, activate_output=True, lrmul=0.1)

    @property
    def D(self) -> Perceptron:
        """D on w: three dense layers without activations, as in the authors' code."""
        return Perceptron(hidden=(self.w, self.w), slope=1.0, pixel_norm=False, activate_output=False, lrmul=0.1)

    def width(self, doublings: int) -> int:
        """Return the number of feature maps after `doublings` doublings of `startf`."""
        return min(self.maxf, self.startf * 2**doublings)

    def widths(self, lods: int) -> list[int]:
        """Return the number of feature maps at each of `lods` levels of detail, coarsest first."""
        return [self.width(lods - 1 - lod) for lod in range(lods)]


class Level(Frozen):
    """One level of detail during training."""

    images: Count = Field(description="real images shown at this level")
    batch_size: Count | None = Field(None, description="images per step; by default batch_size")
    learning_rate: PositiveFloat | None = Field(None, description="by default adam.learning_rate")
    fade: Probability = Field(
        0.5, description="fraction of the images over which the level fades in; the first level does not fade"
    )


class Growth(Frozen):
    """The schedule of StyleALAE: one level for each resolution from 4×4 to that of the images."""

    levels: Annotated[tuple[Level, ...], Strict(False)]
    restart_adam: bool = Field(True, description="whether Adam's moments and counts restart at each level")
    from_level: NonNegativeInt = Field(
        0, description="the level at which training starts; it fades in as its `fade` says, unless it is level 0"
    )


class Adam(Frozen):
    """Adam with ε placed as in Keras and the authors' code: α·(1−warmupᵗ) · √(1−β2ᵗ)/(1−β1ᵗ) · m/(√v + ε)."""

    learning_rate: PositiveFloat
    warmup: Fraction = Field(
        0.0, description="the rate starts at learning_rate · (1 − warmup) and rises; 0 means no warm-up"
    )
    beta1: Fraction = 0.0
    beta2: Fraction = 0.99
    epsilon: PositiveFloat = 1e-8


class Updates(Frozen):
    """How a training step is divided into updates, as independent choices.

    `BUNDLES` names sets of choices: `paper`, `official` (the authors' code) and `joint` (docs/recipe.md); the defaults
    are the paper's.
    """

    adam: Literal["own", "shared"] = Field(
        "own", description="own: one Adam per update; shared: one for E and D and one for F and G, used by all updates"
    )
    distance: Literal["sum", "mean"] = Field(
        "sum",
        description="whether reciprocity's squared differences are summed or averaged over w, or over pixels",
    )
    target: Literal["followed", "constant"] = Field(
        "followed",
        description="whether gradients also reach F through the target F(z), if reciprocity trains F",
    )
    trains_F: bool = Field(False, description="whether reciprocity trains F, through G(F(z))")
    reciprocity: Literal["own", "adversarial"] = Field(
        "own",
        description="own: reciprocity is an update of its own; adversarial: the loop in w (or z) is a term of the "
        "discriminator's and the generator's loss, and the loop in images an update of its own, pixels",
    )
    weight: PositiveFloat = Field(1.0, description="factor of the loop in w (or z)")
    every: Count = Field(1, description="the update reciprocity, or pixels, is done at every k-th step")

    @property
    def bundle(self) -> str | None:
        """The name of the bundle with these choices, or None."""
        return next((name for name, bundle in BUNDLES.items() if bundle == self), None)


BUNDLES = {
    "paper": Updates.model_validate({}),
    "official": Updates.model_validate({"adam": "shared", "distance": "mean", "target": "constant", "trains_F": True}),
    "joint": Updates.model_validate(
        {"distance": "mean", "target": "constant", "trains_F": True, "reciprocity": "adversarial", "every": 4}
    ),
}


class Schedule(Frozen):
    """Values that stay constant at first, and then go to their ends along half a cosine.

    After a fraction t of `images` a value is start + (end − start) · (½ − ½cos(πu)), where u = (t − constant) /
    (1 − constant), limited to 0 … 1.
    """

    images: Count | None = Field(
        None, description="real images until the ends are reached; by default those of the whole run"
    )
    constant: Fraction = Field(0.5, description="fraction of the images before values begin to change")
    rate_end: PositiveFloat = Field(1.0, description="factor of the learning rate at the end")
    r1_gamma_end: NonNegativeFloat | None = Field(None, description="r1_gamma at the end; by default it stays")


class Augment(Frozen):
    """How real and generated images are changed before D∘E sees them in the adversarial updates; see `augment.py`."""

    p: Probability = Field(0.0, description="probability of each transformation; if it adapts, its initial value")
    target: Annotated[float, Field(gt=-1, lt=1)] | None = Field(
        None,
        description="adapts p: it rises while D separates real from generated images (2 · AUC − 1) better than this",
    )
    images: Count = Field(500_000, description="number of real images over which an adaptive p changes by 1")
    transforms: Annotated[tuple[Transform, ...], Strict(False)] = Field(
        get_args(Transform), min_length=1, description="the possible transformations, each with probability p"
    )

    @model_validator(mode="after")
    def _check_p(self) -> "Augment":
        if self.target is None and not self.p:
            raise ValueError(
                "p is 0 and there is no target, so images would never change: set p, set a target such as 0.9, or omit "
                "augment"
            )
        if self.target is not None and self.p > MOST_P:
            raise ValueError(f"p is {self.p:g}, but an adaptive p must be {MOST_P:g} or less")
        return self
