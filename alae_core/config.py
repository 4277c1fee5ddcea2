"""What can be chosen: every number of the algorithm as a field of one frozen, typed configuration."""

import difflib
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, get_args

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Strict,
    ValidationError,
    model_validator,
)

from alae_core.errors import ConfigError

# YAML has lists only; strict models would refuse them where a tuple keeps the configuration hashable.
Widths = Annotated[tuple[PositiveInt, ...], Strict(False)]
ImageShape = Annotated[tuple[PositiveInt, PositiveInt, PositiveInt], Strict(False)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Probability = Annotated[float, Field(ge=0, le=1)]
Precision = Literal["float32", "float64", "bfloat16"]


class _Frozen(BaseModel):
    # Without allow_inf_nan=False a `.nan` learning rate would pass every bound.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Perceptron(_Frozen):
    """One network of dense layers; its input and output sizes follow from its place in ALAE."""

    hidden: Widths = Field(description="widths of the layers before the last")
    slope: PositiveFloat = Field(
        0.2, description="negative slope of the leaky ReLU after each layer; 1 is no activation"
    )
    activate_output: bool = Field(False, description="leaky ReLU after the last layer too")
    pixel_norm: bool = Field(False, description="divide the input by its root mean square first")
    lrmul: PositiveFloat = Field(1.0, description="learning-rate multiplier of equalized layers")


class MlpNetworks(_Frozen):
    """MLP-ALAE (paper section 5.1, permutation-invariant MNIST): F, G, E and D are perceptrons."""

    family: Literal["mlp"]
    z: PositiveInt = Field(description="size of the prior's z")
    w: PositiveInt = Field(description="size of the latent w")
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


class StyleNetworks(_Frozen):
    """StyleALAE (paper section 4): G and E of L blocks each for images of 4·2^(L−1) pixels, F and D perceptrons."""

    equalized: ClassVar[bool] = True

    family: Literal["style"]
    z: PositiveInt = Field(description="size of the prior's z")
    w: PositiveInt = Field(description="size of the latent w")
    startf: PositiveInt = Field(description="feature maps at the highest resolution; each level down has twice as many")
    maxf: PositiveInt = Field(512, description="feature maps at the most")
    mapping_layers: PositiveInt = Field(8, description="dense layers of F")
    encoder: Literal["style", "plain"] = Field("style", description="plain leaves the style statistics out of E")
    discriminator: Literal["latent", "images"] = Field(
        "latent", description="what D looks at: w = E(x) or, as a network beside E, the images themselves"
    )
    style_mixing: Probability = Field(0.9, description="how often a batch takes its finer layers' styles from other z")
    w_mean_beta: Fraction = Field(0.995, description="share that the running mean of w keeps at each generation")
    truncation_psi: Probability = Field(0.7, description="w′ = mean + ψ · (w − mean), where images are truncated")
    truncation_layers: NonNegativeInt = Field(8, description="style layers that are truncated, coarsest first")

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


class Level(_Frozen):
    """One level of detail in training."""

    images: PositiveInt = Field(description="real images shown at this level")
    batch_size: PositiveInt | None = Field(None, description="training.batch_size, if not given")
    learning_rate: PositiveFloat | None = Field(None, description="adam.learning_rate, if not given")
    fade: Probability = Field(0.5, description="share of the images over which the level fades in; none at the first")


class Growth(_Frozen):
    """How StyleALAE grows: a level for each resolution from 4×4 to the images' own."""

    levels: Annotated[tuple[Level, ...], Strict(False)]
    restart_adam: bool = Field(True, description="moments and counts start anew at each level")


class Adam(_Frozen):
    """Adam as Keras and the authors place ε: step = α·(1−warmupᵗ) · √(1−β2ᵗ)/(1−β1ᵗ) · m/(√v + ε)."""

    learning_rate: PositiveFloat
    warmup: Fraction = Field(
        0.0, description="the rate starts at learning_rate · (1 − warmup) and rises; 0 is no warm-up"
    )
    beta1: Fraction = 0.0
    beta2: Fraction = 0.99
    epsilon: PositiveFloat = 1e-8


class Training(_Frozen):
    """How long a run is, what it reads and what it leaves behind."""

    data: str = Field(description="a named data set, or the path of an IDX folder, an .npz file or a folder of images")
    steps: PositiveInt | None = Field(
        None,
        description="training steps in all; each runs every update once. By default what the growth schedule takes",
    )
    batch_size: PositiveInt = 128
    margin: NonNegativeInt = Field(0, description="black pixels on each side of an image, within its size")
    mirror: bool = Field(False, description="show half of the images, at random, the other way round")
    held_out: PositiveInt = Field(description="images kept out of training, where the data names no test split")
    seed: NonNegativeInt = Field(
        0, lt=2**63, description="decides initial weights, every z and the order of the images"
    )
    report_every: PositiveInt = Field(50, description="steps between two records of the losses")
    checkpoint_every: PositiveInt = Field(1000, description="steps between two checkpoints")
    keep_checkpoints: PositiveInt = Field(3, description="newest checkpoints kept, besides the best")
    grid_every: PositiveInt = Field(100_000, description="training images between two grids")


class Config(_Frozen):
    """A whole experiment. `load_config` makes one from a preset or a YAML file."""

    description: str = ""
    image: ImageShape = Field(description="height, width, channels")
    labels: NonNegativeInt = Field(
        0, description="classes appended as one-hot to E's and G's input; 0 trains without labels"
    )
    networks: Annotated[MlpNetworks | StyleNetworks, Field(discriminator="family")]
    growth: Growth | None = Field(None, description="the levels of detail, for style networks")
    objective: Literal["logistic", "wasserstein", "hinge"] = "logistic"
    r1_gamma: NonNegativeFloat = Field(10.0, description="γ of γ/2 · E‖∇ₓD(E(x))‖²; 0 leaves the penalty out")
    reciprocity: Literal["latent", "data", "both", "none", "z"] = Field(
        "latent",
        description="the space(s) in which the loop is closed; z lets E estimate z instead of w, both of one size",
    )
    updates: Literal["paper", "official"] = Field(
        "paper", description="Algorithm 1 as printed, or as the authors' code runs it"
    )
    adam: Adam
    average_halflife: PositiveFloat = Field(10_000.0, description="images after which averaged networks forget half")
    precision: Precision = Field(
        "float32", description="bfloat16 computes layers in it, keeps weights and losses float32; float64 is all of it"
    )
    training: Training

    @model_validator(mode="after")
    def _labels_are_several(self) -> "Config":
        if self.labels == 1:
            raise ValueError("labels is 1, a single class says nothing: use 0 for no labels, or the number of classes")
        return self

    @model_validator(mode="after")
    def _the_margin_leaves_an_image(self) -> "Config":
        if 2 * self.training.margin >= min(self.image[:2]):
            raise ValueError(
                f"training.margin is {self.training.margin}, which leaves nothing of images of {self.image}"
            )
        return self

    @model_validator(mode="after")
    def _the_loop_can_close(self) -> "Config":
        if self.reciprocity == "z" and self.networks.z != self.networks.w:
            raise ValueError(
                f"reciprocity z makes E's output an estimate of z, but z has {self.networks.z} numbers and "
                f"w {self.networks.w}: make them equal"
            )
        return self

    @model_validator(mode="after")
    def _growth_fits(self) -> "Config":
        if isinstance(self.networks, MlpNetworks):
            if self.growth:
                raise ValueError("growth is for style networks: mlp networks have one level of detail")
            if self.training.steps is None:
                raise ValueError("the key 'training.steps' is missing: only a growth schedule says how long to train")
            return self
        height, width, _ = self.image
        lods = height.bit_length() - 2
        if height != width or height < 4 or height != 4 * 2 ** (lods - 1):
            raise ValueError(f"style networks make square images of 4, 8, 16, … pixels, but image is {height}×{width}")
        if self.labels:
            raise ValueError(f"labels is {self.labels}, but style networks take none: set it to 0")
        if not self.growth or len(self.growth.levels) != lods:
            given = len(self.growth.levels) if self.growth else "none"
            raise ValueError(
                f"growth.levels must hold a level for each of {lods} resolutions from 4×4 to {height}×{width}, but "
                f"holds {given}"
            )
        return self

    @property
    def style(self) -> StyleNetworks:
        """`networks`, where they are style networks."""
        if not isinstance(self.networks, StyleNetworks):
            raise ConfigError("networks are of the family mlp, but what was asked for is about style networks")
        return self.networks

    @property
    def lods(self) -> int:
        """How many levels of detail style networks have: resolution R is 4·2^(lods − 1)."""
        return self.image[0].bit_length() - 2

    @property
    def dtype(self) -> Literal["float32", "float64"]:
        """What weights, optimizer state, images, outputs and losses are held in; only layers may compute in less."""
        return "float64" if self.precision == "float64" else "float32"

    def to_yaml(self) -> str:
        """This configuration as YAML text that `load_config` reads back to an equal one."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


class _YamlLoader(yaml.SafeLoader):
    """YAML 1.1 reads 1e-3 as text; people mean a number."""


_YamlLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def parse_yaml(text: str) -> Any:
    """The plain data (mappings, lists, numbers, text) in YAML `text`; raises yaml.YAMLError."""
    # A SafeLoader: it builds plain data only and executes nothing.
    return yaml.load(text, Loader=_YamlLoader)


def preset_names() -> list[str]:
    """Names of the configurations that ship with alae, sorted."""
    return sorted(
        entry.name.removesuffix(".yaml")
        for entry in files("alae_core.presets").iterdir()
        if entry.name.endswith(".yaml")
    )


def preset_text(name: str) -> str:
    """The YAML of the preset `name`. Raises ConfigError, naming the nearest one, where there is none."""
    if name not in preset_names():
        raise ConfigError(
            f"there is no preset {name!r}{_nearest(name, preset_names())}; presets: {', '.join(preset_names())}"
        )
    return files("alae_core.presets").joinpath(f"{name}.yaml").read_text("utf-8")


def load_config(source: str | Path, overrides: Mapping[str, Any] | None = None) -> Config:
    """Read a preset's name or a YAML file's path, with some fields replaced.

    Args:
        source: a name from `preset_names()`, or the path of a YAML file.
        overrides: new values by dotted key, such as `{"adam.learning_rate": 1e-3, "updates": "official"}`.

    Raises:
        ConfigError: the source is missing, is no YAML mapping, or holds an unknown key (the nearest valid one is
            named), a wrong type or an impossible combination.
    """
    path = Path(source)
    is_file = path.suffix in (".yaml", ".yml") or path.exists()
    try:
        data = parse_yaml(path.read_text("utf-8") if is_file else preset_text(str(source)))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"cannot read the configuration {source}: {getattr(error, 'strerror', None) or error}"
        ) from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{source} is not YAML: {' '.join(str(error).split())}") from error
    return make_config(data, overrides, source=str(source))


def make_config(data: Any, overrides: Mapping[str, Any] | None = None, *, source: str = "the configuration") -> Config:
    """A Config from plain data, such as `Config.model_dump(mode="json")` returns; `source` names it in errors."""
    if not isinstance(data, dict):
        raise ConfigError(f"{source} must be a mapping of configuration keys, but holds {type(data).__name__}")
    data = {**data}
    for key, value in (overrides or {}).items():
        _replace(data, key, value)
    try:
        return Config.model_validate(data)
    except ValidationError as error:
        raise ConfigError(f"{source}: " + "; ".join(_explain(problem) for problem in error.errors())) from error


def _replace(data: dict[str, Any], key: str, value: Any) -> None:
    *parents, last = key.split(".")
    for parent in parents:
        below = data.get(parent, {})
        if not isinstance(below, dict):
            raise ConfigError(f"{key!r} cannot be set: {parent!r} is the value {below!r}, not a group of keys")
        # A copy per level, so that the caller's data stays as it was.
        data[parent] = {**below}
        data = data[parent]
    data[last] = value


def _explain(problem: Any) -> str:
    *parents, last, model = _locate(problem["loc"])
    key = ".".join([*parents, last])
    match problem["type"]:
        case "extra_forbidden":
            fields = list(model.model_fields)
            hint = _nearest(last, fields, prefix=parents)
            return f"unknown key {key!r}{hint}; keys here: {', '.join(fields)}"
        case "missing":
            return f"the key {key!r} is missing"
        case "value_error":
            return f"{key + ': ' if key else ''}{problem['ctx']['error']}"
        case "union_tag_invalid":
            return f"{key}.family is {problem['ctx']['tag']!r}: it should be one of {problem['ctx']['expected_tags']}"
        case "union_tag_not_found":
            return f"the key '{key}.family' is missing"
        case _:
            message = problem["msg"][0].lower() + problem["msg"][1:]
            return f"{key} is {problem['input']!r}: {message}"


def _locate(location: Sequence[str | int]) -> tuple[Any, ...]:
    """The key at `location`, part by part, then the model whose field its last part is, or should have been."""
    if not location:
        return "", Config
    key: list[str] = []
    model: type[BaseModel] = Config
    holder = model
    parts = list(location)
    while parts:
        part = parts.pop(0)
        key.append(str(part))
        if isinstance(part, int) or part not in model.model_fields:
            holder = model
            continue
        holder, inner = model, _models(model.model_fields[part].annotation)
        if len(inner) > 1 and parts:
            # Between alternatives pydantic puts the tag of the one it took.
            family = parts.pop(0)
            inner = [one for one in inner if get_args(one.model_fields["family"].annotation) == (family,)]
        model = inner[0] if inner else model
    return *key, holder


def _models(annotation: Any) -> list[type[BaseModel]]:
    """The models that a field's annotation names, whatever it wraps them in."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]


def _nearest(word: str, choices: list[str], prefix: list[str] | None = None) -> str:
    close = difflib.get_close_matches(word, choices, n=1, cutoff=0.5)
    return f"; did you mean {'.'.join([*(prefix or []), close[0]])!r}?" if close else ""
