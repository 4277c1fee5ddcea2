"""The configuration: every number that decides the mathematics, as a field of one frozen, typed object."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    Strict,
    create_model,
    field_serializer,
    field_validator,
    model_serializer,
    model_validator,
)

from alae_core._support.dotted_keys import describe_changes
from alae_core._support.text import short_repr
from alae_core._support.validation import Count, Frozen, validate
from alae_core._support.yaml_text import to_yaml
from alae_core.config_data import RUN, SPECIFICATION, apply_overrides, find_changes, migrate, read_config, read_presets
from alae_core.errors import ConfigError
from alae_core.groups import (
    BUNDLES,
    Adam,
    Augment,
    ConvNetworks,
    Fraction,
    Growth,
    MlpNetworks,
    Schedule,
    Settings,
    StyleNetworks,
    Updates,
)
from alae_core.lookup import choose_plugins, find_algorithm
from alae_core.plugin_code import PluginRecord
from alae_core.resumption import Resumed

#: the fields that most configurations lack: those of plug-ins, and of runs whose batch sizes changed
_OPTIONAL = ("algorithm_settings", "objective_settings", "plugins", "resumed")

ImageShape = Annotated[tuple[Count, Count, Count], Strict(False)]
Group = TypeVar("Group", MlpNetworks, ConvNetworks, StyleNetworks)
Precision = Literal["float32", "float64", "bfloat16"]


class Config(Frozen):
    """The specification of one model and its training; see `load_config`."""

    description: str = ""
    image: ImageShape = Field(description="height, width, channels")
    labels: NonNegativeInt = Field(
        0,
        lt=2**16,
        description="number of classes, which E and G take as one-hot labels, or F and D of style networks; 0 trains "
        "without labels",
    )
    algorithm: str = Field("alae", description="networks and the updates that train them: one of alae_core.algorithms")
    algorithm_settings: Settings | None = Field(None, description="settings of an algorithm that a plug-in defines")
    networks: Annotated[MlpNetworks | ConvNetworks | StyleNetworks, Field(discriminator="family")]
    growth: Growth | None = Field(None, description="the levels of detail, for style networks")
    batch_size: Count = Field(128, description="images per step, unless a level of growth sets its own")
    objective: str = Field(
        "logistic",
        description="logistic, wasserstein, hinge, or relativistic: the logistic loss of the difference between a real "
        "and a generated logit",
    )
    objective_settings: Settings | None = Field(None, description="settings of an objective that a plug-in defines")
    r1_gamma: NonNegativeFloat = Field(10.0, description="γ of γ/2 · E‖∇ₓD(E(x))‖² on real images; 0 omits the penalty")
    r2_gamma: NonNegativeFloat = Field(0.0, description="γ of the same penalty on generated images")
    reciprocity: Literal["latent", "data", "both", "none", "z"] = Field(
        "latent",
        description="of alae: the space(s) in which the loop is closed; with z, E estimates z, of the size of w",
    )
    updates: Updates = Field(
        BUNDLES["paper"],
        description="paper: Algorithm 1 as printed; official: the authors' code; joint: docs/recipe.md; or a group of "
        "choices",
    )
    adam: Adam
    schedule: Schedule | None = Field(None, description="how the learning rate and r1_gamma change over a run")
    augment: Augment | None = Field(
        None,
        description="for few images: D∘E sees images changed at random; {p: 0.15}, or {target: 0.9} to adapt p",
    )
    freeze: Annotated[tuple[str, ...], Strict(False)] = Field(
        (), description="parts of the networks that keep their weights, such as [F, E.block0]; docs/fine-tuning.md"
    )
    average_halflife: PositiveFloat = Field(10_000.0, description="half-life of the averaged networks in images")
    average_warmup: Fraction = Field(
        0.0, description="the half-life is at most this fraction of the images shown so far; 0 sets no limit"
    )
    precision: Precision = Field(
        "float32", description="bfloat16: layers compute in it, weights and losses stay float32; float64: all of it"
    )
    seed: NonNegativeInt = Field(
        0, lt=2**63, description="decides initial weights, every random draw and the order of the images"
    )
    resumed: Resumed | None = Field(None, description="of a run whose batch sizes changed: its position at that time")
    plugins: Annotated[tuple[PluginRecord, ...], Strict(False)] = Field(
        (), description="the plug-ins that define the algorithm, objective and family, recorded when they are used"
    )

    @field_validator("updates", mode="before")
    @classmethod
    def _expand_bundle(cls, value: Any) -> Any:
        if isinstance(value, str):
            if value not in BUNDLES:
                raise ValueError(
                    f"{short_repr(value)} is not a bundle of updates: it must be {', '.join(BUNDLES)}, or a group"
                )
            return BUNDLES[value]
        return value

    @field_serializer("updates")
    def _name_bundle(self, updates: Updates) -> Any:
        return updates.bundle or updates.model_dump()

    @model_serializer(mode="wrap")
    def _omit_optional(self, dump: Any) -> dict[str, Any]:
        return {key: value for key, value in dump(self).items() if key not in _OPTIONAL or value}

    @model_validator(mode="after")
    def _check_labels(self) -> "Config":
        if self.labels == 1:
            raise ValueError("labels is 1, but one class carries no information: use 0, or the number of classes")
        shapes = find_algorithm(self.algorithm, self.plugins).networks.values()
        if self.labels and isinstance(self.networks, StyleNetworks) and not ("F" in shapes and "D" in shapes):
            raise ValueError(
                f"labels is {self.labels}, which F and D of style networks take, but the algorithm {self.algorithm} "
                "does not train both: set labels to 0, or use mlp or conv networks"
            )
        return self

    @model_validator(mode="after")
    def _check_sizes_of_z_and_w(self) -> "Config":
        if self.reciprocity == "z" and self.networks.z != self.networks.w:
            raise ValueError(
                f"reciprocity z makes E's output an estimate of z, but z has {self.networks.z} numbers and "
                f"w {self.networks.w}: make them equal"
            )
        algorithm = find_algorithm(self.algorithm, self.plugins)
        if self.networks.z != self.networks.w and "identity" in algorithm.networks.values():
            raise ValueError(
                f"the algorithm {self.algorithm} draws w itself from the prior, but z has {self.networks.z} numbers "
                f"and w {self.networks.w}: make them equal"
            )
        return self

    @model_validator(mode="after")
    def _check_fields_of_D(self) -> "Config":
        algorithm = find_algorithm(self.algorithm, self.plugins)
        if "D" not in algorithm.networks:
            if self.augment:
                raise ValueError(f"augment changes what D sees, but the algorithm {self.algorithm} has no D: omit it")
            if self.r2_gamma:
                raise ValueError(
                    f"r2_gamma is {self.r2_gamma}, but the algorithm {self.algorithm} has no D: set it to 0"
                )
        return self

    @model_validator(mode="after")
    def _check_growth(self) -> "Config":
        if not isinstance(self.networks, StyleNetworks):
            if self.growth:
                raise ValueError(
                    f"growth is for style networks: {self.networks.family} networks have one level of detail"
                )
            return self
        height, width, _ = self.image
        lods = height.bit_length() - 2
        if height != width or height < 4 or height != 4 * 2 ** (lods - 1):
            raise ValueError(f"style networks make square images of 4, 8, 16, … pixels, but image is {height}×{width}")
        if not self.growth or len(self.growth.levels) != lods:
            given = len(self.growth.levels) if self.growth else "none"
            raise ValueError(
                f"growth.levels must hold a level for each of {lods} resolutions from 4×4 to {height}×{width}, but "
                f"holds {given}"
            )
        if self.growth.from_level >= lods:
            raise ValueError(f"growth.from_level is {self.growth.from_level}, but the levels are 0 … {lods - 1}")
        return self

    @model_validator(mode="after")
    def _check_halving(self) -> "Config":
        if isinstance(self.networks, ConvNetworks):
            widths, factor = len(self.networks.widths), self.networks.factor
            if not all(side % factor == 0 and 4 <= side // factor <= 8 for side in self.image[:2]):
                sides = ", ".join(str(coarsest * factor) for coarsest in range(4, 9))
                raise ValueError(
                    f"image is {self.image[0]}×{self.image[1]}, but {widths} networks.widths make images with sides of "
                    f"{sides}: resize the images, or give another number of widths"
                )
        return self

    @model_validator(mode="after")
    def _check_normalize_w(self) -> "Config":
        algorithm = find_algorithm(self.algorithm, self.plugins)
        if self.networks.normalize_w and "identity" in algorithm.networks.values():
            raise ValueError(
                f"networks.normalize_w is true, but the algorithm {self.algorithm} draws w from a Gaussian prior: set "
                "it to false"
            )
        return self

    def classes_of(self, network: str) -> int:
        """Return the length of the one-hot labels that F, G, E or D takes: the number of classes, or 0 for none."""
        takers = "FD" if isinstance(self.networks, StyleNetworks) else "GE"
        return self.labels if network in takers else 0

    @property
    def adapts(self) -> bool:
        """Whether augmentation adapts its p, which is then part of a run's state."""
        return self.augment is not None and self.augment.target is not None

    @property
    def mlp(self) -> MlpNetworks:
        """`networks`. Raises ConfigError if they are not perceptrons."""
        return self._require(MlpNetworks, "must be perceptrons here")

    @property
    def conv(self) -> ConvNetworks:
        """`networks`. Raises ConfigError if they are not conv networks."""
        return self._require(ConvNetworks, "must be conv networks here")

    @property
    def style(self) -> StyleNetworks:
        """`networks` as style networks. Raises ConfigError if they are not."""
        return self._require(StyleNetworks, "this needs style networks")

    def _require(self, kind: type[Group], need: str) -> Group:
        if not isinstance(self.networks, kind):
            raise ConfigError(f"networks are of the family {self.networks.family}, but {need}")
        return self.networks

    @property
    def lods(self) -> int:
        """The number of levels of detail of style networks: images have 4·2^(lods − 1) pixels a side."""
        return self.image[0].bit_length() - 2

    @property
    def dtype(self) -> Literal["float32", "float64"]:
        """The dtype of weights, optimizer state, images, outputs and losses; layers may compute in bfloat16."""
        return "float64" if self.precision == "float64" else "float32"

    def data(self) -> dict[str, Any]:
        """Return plain data, the version first, from which `make_config` makes an equal configuration."""
        return {"specification": SPECIFICATION, **self.model_dump(mode="json")}

    def to_yaml(self) -> str:
        """Return YAML text from which `load_config` makes an equal configuration."""
        return to_yaml(self.data())

    def __repr__(self) -> str:
        plain = self.model_dump(mode="json", exclude={"description"})
        family = self.networks.family
        presets = {name: base for name, base in _presets().items() if base["networks"]["family"] == family}
        if not presets:
            return f"Config({family} networks, {'×'.join(map(str, self.image))} images)"
        preset, changes = min(
            ((name, find_changes(plain, base)) for name, base in presets.items()), key=lambda pair: len(pair[1])
        )
        return f"Config({preset}{', but ' + describe_changes(changes, most=12) if changes else ''})"

    __str__ = __repr__


def load_config(source: str | Path, overrides: Mapping[str, Any] | None = None) -> Config:
    """Load a preset or a YAML file, with some fields changed.

    Args:
        source: a name from `preset_names()`, or the path of a YAML file.
        overrides: new values by dotted key, such as `{"adam.learning_rate": 1e-3, "growth.levels.0.images": 5000}`; a
            mapping changes some keys of a group, such as `{"networks": {"w": 16}}`.

    Raises ConfigError if the source is missing or is not a YAML mapping, or has an unknown key (the message suggests a
    similar one), a wrong type, or values that do not fit together.
    """
    return make_config(read_config(source, overrides), source=str(source))


def make_config(data: Any, overrides: Mapping[str, Any] | None = None, *, source: str = "the configuration") -> Config:
    """Return a Config from plain data, such as `Config.data` returns; `source` names the data in errors."""
    if not isinstance(data, Mapping):
        raise ConfigError(f"{source} must be a mapping of configuration keys, but is a {type(data).__name__}")
    changed = apply_overrides(migrate(data, source), overrides or {})
    return _validate_config({key: value for key, value in changed.items() if key != RUN}, source)


def _validate_config(data: dict[str, Any], source: str) -> Config:
    types, plugins = choose_plugins(data, source)
    data["plugins"] = plugins
    for field in types.keys() - {"networks"}:
        data[field] = data.get(field) or {}
    return validate(_make_type(**types), data, source)


@cache
def _make_type(**types: type[Settings]) -> type[Config]:
    """Return the type of configurations whose groups of those names have the types of plug-ins."""
    fields: dict[str, Any] = {
        name: (kind, Field(description=Config.model_fields[name].description)) for name, kind in types.items()
    }
    return create_model("Config", __base__=Config, **fields) if fields else Config


@cache
def _presets() -> dict[str, dict[str, Any]]:
    presets = {name: make_config(data, source=name) for name, data in read_presets().items()}
    return {name: config.model_dump(mode="json", exclude={"description"}) for name, config in presets.items()}
