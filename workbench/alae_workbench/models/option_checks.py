"""Checks of options against a model: those for style models, levels of detail, truncation, classes and layers."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from alae_core import AlaeError, ArgumentError, Config, View
from alae_core.view import require_psi
from alae_workbench.models.mixing import layer_ranges

if TYPE_CHECKING:
    from alae_core import Alae


def check_options(
    config: Config,
    view: View | None,
    *,
    lod: int | None = None,
    psi: float | Sequence[float] | None = None,
    noise: Any = None,
    label: int | None = None,
    layers: str | bool | None = None,
    levels: bool | None = None,
    method: str | None = None,
    data: object = None,
    labels: str | None = None,
) -> None:
    """Raise ArgumentError, naming the option, if one does not apply to models of `config`. None is an option not given.

    Args:
        config: the model's configuration.
        view: the level of detail training had reached.
        lod: level of detail, 0 … `config.lods` − 1.
        psi: truncation ψ, or several, each in [0, 1].
        noise: any kind of noise.
        label: class number, 0 … `config.labels` − 1.
        layers: a range of style layers by name (`mixing.layer_ranges`), or "all"; True for a style per layer.
        levels: whether to use every level of detail.
        method: how directions are found: see `models.directions`.
        data, labels: labelled images for the methods "svm" and "shift", and which labels of them are used.
    """
    family = config.networks.family
    for argument, value in {"lod": lod, "psi": psi, "noise": noise, "layers": layers, "levels": levels}.items():
        if value is not None and value is not False and family != "style":
            raise ArgumentError(argument, f"is only for style models, but {_describe_family(config)}")
    if method == "factorized" and family != "style":
        raise ArgumentError("method", f"is factorized, which needs a style model, but {_describe_family(config)}")
    for argument, given in {"data": data, "labels": labels}.items():
        if given is not None and method not in ("svm", "shift"):
            raise ArgumentError(
                argument, f"is {given}, but only the methods svm and shift use labelled images, not {method}"
            )
    if lod is not None:
        if not 0 <= lod < config.lods:
            raise ArgumentError("lod", f"is {lod}, but the model has the levels 0 … {config.lods - 1}")
        view = View(lod)
    for value in psi if isinstance(psi, Sequence) else [] if psi is None else [psi]:
        require_psi(value)
    if isinstance(layers, str) and layers != "all" and view is not None:
        ranges = layer_ranges(view.lod + 1)
        if layers not in ranges:
            names = " and ".join(ranges)
            raise ArgumentError(
                "layers", f"is {layers}, but at {view.size}×{view.size} pixels there are {names} styles only"
            )
    if label is not None and not 0 <= label < config.labels:
        classes = f"has the classes 0 … {config.labels - 1}" if config.labels else "was trained without labels"
        raise ArgumentError("label", f"is {label}, but the model {classes}")


def require_style(config: Config, task: str) -> None:
    """Raise AlaeError, naming the task, unless models of `config` are style models."""
    if config.networks.family != "style":
        raise AlaeError(f"{task} needs a style model, but {_describe_family(config)}")


def require_levels(alae: "Alae") -> list[View]:
    """Return every level of detail up to the model's own, which may be fading in. Raises AlaeError without levels."""
    if alae.view is None:
        raise AlaeError(f"levels of detail need a style model, but {_describe_family(alae.config)}")
    return [*(View(lod) for lod in range(alae.view.lod)), alae.view]


def _describe_family(config: Config) -> str:
    return f"this model's networks are of the family {config.networks.family}"
