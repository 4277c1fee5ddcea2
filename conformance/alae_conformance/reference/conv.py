"""The conv family's G and E: convolutions and residual blocks, without normalization, levels or styles.

Resolutions are numbered from the coarsest. Names and shapes of weights are written independently of `alae_core`.
"""

from collections.abc import Mapping
from math import prod, sqrt
from typing import Any

from alae_conformance.reference import mlp
from alae_conformance.reference.features import Bias, Conv, StrideConv
from alae_conformance.reference.layers import Array, Dense, Gradients, Layer, Leaky, Pair, Tanh, Trace, Weights
from alae_conformance.reference.linear import Append, Flatten, Unflatten, UpsampleBilinear
from alae_conformance.reference.path import Path
from alae_core.config import Config

_SLOPE = 0.2


class _Network:
    """The parts of G and E: chains of layers by name, and residual blocks at the coarsest resolutions."""

    def __init__(self, config: Config, name: str) -> None:
        self.name, self.chains = name, dict[str, list[Layer]]()
        for i in range(config.conv.residual):
            residual = f"{name}/residual{i}"
            self.chains[residual] = [Leaky(_SLOPE), Conv(residual, 1.0), Bias(residual)]
        self.chains[f"{name}/dense"] = [Dense(f"{name}/dense0"), Leaky(_SLOPE), Dense(f"{name}/dense1")]
        self.chains["leaky"] = [Leaky(_SLOPE)]

    def refine(self, path: Path, x: int, i: int) -> int:
        """Apply x + conv(leaky(x)) at the resolutions that have a residual block, then a leaky ReLU."""
        residual = f"{self.name}/residual{i}"
        if residual in self.chains:
            x = path.sum((1.0, x), (1.0, path.through(x, *self.chains[residual])))
        return path.through(x, *self.chains["leaky"])

    def dense(self, path: Path, x: int, labels: Array | None) -> int:
        """Apply the two dense layers to flat maps or w, with one-hot labels appended if there are any."""
        x = x if labels is None else path.through(x, Append(labels))
        return path.through(x, *self.chains[f"{self.name}/dense"])

    def backward(
        self, weights: Weights, trace: Trace, adjoint: Array, tangent_adjoint: Array | None = None
    ) -> tuple[Pair, Gradients]:
        """Propagate the adjoints of the output and of its tangent to the input; also returns the weights' gradients."""
        return trace.pull(Pair(adjoint, tangent_adjoint))


class Generator(_Network):
    """G: from w (batch, w) to images."""

    def __init__(self, config: Config, name: str) -> None:
        super().__init__(config, name)
        self.count = len(config.conv.widths)
        for i in range(self.count):
            conv = f"{name}/conv{i}"
            self.chains[conv] = [Conv(conv, 1.0), Bias(conv)]
        self.chains["unflatten"] = [Unflatten(*_coarsest(config)[:2])]
        self.chains["double"] = [UpsampleBilinear()]
        self.chains["output"] = [Tanh()] if config.conv.output == "tanh" else []

    def forward(self, weights: Weights, w: Array, labels: Array | None = None) -> Trace:
        """Generate images; `labels` are one-hot."""
        path = Path(weights)
        start = path.enter(Pair(w))
        x = path.through(self.dense(path, start, labels), *self.chains["unflatten"])
        for i in range(self.count):
            if i > 0:
                x = path.through(x, *self.chains["double"])
            x = path.through(self.refine(path, x, i), *self.chains[f"{self.name}/conv{i}"])
        return _trace(path, start, path.through(x, *self.chains["output"]))


class Encoder(_Network):
    """E, or a network of the same shape: from images to w."""

    def __init__(self, config: Config, name: str) -> None:
        super().__init__(config, name)
        self.count = len(config.conv.widths) - 1
        for i in range(self.count):
            conv = f"{name}/conv{i}"
            self.chains[conv] = [StrideConv(conv), Bias(conv)]
        self.chains["flatten"] = [Flatten(*_coarsest(config)[:2])]
        self.chains["output"] = mlp.normalization(config, name)

    def forward(self, weights: Weights, x: Array, direction: Array | None = None, labels: Array | None = None) -> Trace:
        """Encode images to w, with its derivative along `direction` if one is given; `labels` are one-hot."""
        path = Path(weights)
        start = path.enter(Pair(x, direction))
        y = self.dense(path, self.coarsest(path, start), labels)
        return _trace(path, start, path.through(y, *self.chains["output"]))

    def hidden(self, weights: Weights, x: Array) -> Array:
        """Return the coarsest maps, flattened: (batch, n)."""
        path = Path(weights)
        return path.pairs[self.coarsest(path, path.enter(Pair(x)))].value

    def coarsest(self, path: Path, y: int) -> int:
        """Return the number of the coarsest maps, flattened."""
        for i in range(self.count - 1, -1, -1):
            y = self.refine(path, path.through(y, *self.chains[f"{self.name}/conv{i}"]), i)
        return path.through(y, *self.chains["flatten"])


def build(config: Config, kinds: Mapping[str, str]) -> dict[str, Any]:
    """Build the networks of a "conv" configuration by name; a kind is F, G, E, D, pair or identity."""
    own = {"G": Generator, "E": Encoder}
    return {
        name: own[kind](config, name) if kind in own else mlp.perceptron(config, name, kind)
        for name, kind in kinds.items()
    }


def shapes(config: Config, kinds: Mapping[str, str]) -> dict[str, tuple[int, ...]]:
    """Return the shape of every weight by name: (k, k, in, out) for convolution kernels, (fan_in, units) for dense."""
    found: dict[str, tuple[int, ...]] = {}
    for name, kind in kinds.items():
        if kind not in ("G", "E"):
            found |= mlp.shapes(config, {name: kind})
            continue
        networks, flat, size = config.conv, prod(_coarsest(config)), 3 if kind == "G" else 4
        ends = (networks.w, flat) if kind == "G" else (flat, networks.w)
        kernels: dict[str, tuple[int, ...]] = {
            "dense0": (ends[0] + config.labels, networks.hidden),
            "dense1": (networks.hidden, ends[1]),
        }
        maps = [*networks.widths, config.image[2]]
        for i in range(len(networks.widths) - (kind == "E")):
            # E's finest convolution reads images, so the finest width is G's only.
            finer = config.image[2] if kind == "E" and i == len(networks.widths) - 2 else maps[i + 1]
            kernels[f"conv{i}"] = (size, size, maps[i], finer) if kind == "G" else (size, size, finer, maps[i])
            if i < networks.residual:
                kernels[f"residual{i}"] = (3, 3, maps[i], maps[i])
        for layer, shape in kernels.items():
            found |= {f"{name}/{layer}/kernel": shape, f"{name}/{layer}/bias": shape[-1:]}
    return found


def scales(networks: Mapping[str, Any]) -> dict[str, float]:
    """Return the factor by which each weight is multiplied when used, where it is not 1: no weight has one."""
    return {}


def deviation(config: Config, kind: str, name: str, shape: tuple[int, ...]) -> float:
    """Return the standard deviation of a new kernel: gain / √fan_in (He et al. 2015); 0 in residual blocks.

    The gain is (2 / (1 + slope²))^½ before a leaky ReLU, ½ for G's last convolution, and 1 for other outputs.
    """
    layer, fan_in = name.split("/")[1], prod(shape[:-1])
    if layer.startswith("residual"):
        return 0.0
    if kind == "G":
        last, gain = layer == f"conv{len(config.conv.widths) - 1}", 0.5
        slope = _SLOPE
    elif kind == "E":
        last, gain = layer == "dense1", 1.0
        slope = _SLOPE
    else:
        choice = mlp.settings_of(config, kind)
        last, gain = layer == f"dense{len(choice.hidden)}" and not choice.activate_output, 1.0
        slope = choice.slope
    return (gain if last else sqrt(2 / (1 + slope * slope))) / sqrt(fan_in)


def _coarsest(config: Config) -> tuple[int, int, int]:
    """Return the height, width and number of the coarsest maps."""
    halvings = len(config.conv.widths) - 1
    return config.image[0] >> halvings, config.image[1] >> halvings, config.conv.widths[0]


def _trace(path: Path, start: int, end: int) -> Trace:
    def pull(adjoint: Pair) -> tuple[Pair, Gradients]:
        adjoints, gradients = path.pull(end, adjoint)
        return adjoints[start], gradients

    return Trace(path.pairs[end], pull)
