"""MLP-ALAE's F, G, E and D: perceptrons on flat inputs (paper section 5.1)."""

from collections.abc import Mapping
from itertools import pairwise
from math import prod, sqrt
from typing import NamedTuple

import numpy as np

from alae_conformance.reference.layers import Array, Dense, Layer, Leaky, Pair, PixelNorm, Tanh, Weights
from alae_core.config import Config
from alae_core.groups import Perceptron


class MlpTrace(NamedTuple):
    """One pass through a perceptron: its output, and the values that its gradient needs."""

    output: Pair
    inputs: list[Pair]  # of each layer
    shape: tuple[int, ...]  # of the network's input, without labels and the batch axis


class Network:
    """A perceptron from (batch, *shape) to (batch, *output); labels, if any, are appended to its flat input."""

    def __init__(self, layers: list[Layer], output: tuple[int, ...]) -> None:
        self.layers, self.output = layers, output

    def forward(
        self, weights: Weights, x: Array, direction: Array | None = None, labels: Array | None = None
    ) -> MlpTrace:
        """Compute the output, with its derivative along `direction` if one is given; `labels` are one-hot."""
        pair = Pair(self.flatten(x), None if direction is None else self.flatten(direction))
        if labels is not None:
            still = None if pair.tangent is None else np.concatenate([pair.tangent, np.zeros_like(labels)], 1)
            pair = Pair(np.concatenate([pair.value, labels], 1), still)
        inputs = []
        for layer in self.layers:
            inputs.append(pair)
            pair = layer.forward(weights, pair)
        tangent = None if pair.tangent is None else self.unflatten(pair.tangent, self.output)
        return MlpTrace(Pair(self.unflatten(pair.value, self.output), tangent), inputs, x.shape[1:])

    def backward(
        self, weights: Weights, trace: MlpTrace, adjoint: Array, tangent_adjoint: Array | None = None
    ) -> tuple[Pair, dict[str, Array]]:
        """Propagate the adjoints of output and tangent to the input; returns them and each weight's gradient."""
        pair = Pair(self.flatten(adjoint), None if tangent_adjoint is None else self.flatten(tangent_adjoint))
        gradients: dict[str, Array] = {}
        for layer, x in zip(reversed(self.layers), reversed(trace.inputs), strict=True):
            pair, found = layer.backward(weights, x, pair)
            gradients |= found
        size = prod(trace.shape)  # without the labels' columns
        back = None if pair.tangent is None else self.unflatten(pair.tangent[:, :size], trace.shape)
        return Pair(self.unflatten(pair.value[:, :size], trace.shape), back), gradients

    def hidden(self, weights: Weights, x: Array, labels: Array | None = None) -> Array:
        """Return the widest layer before the last, the first of them if several are as wide: (batch, n)."""
        # The input of each dense layer but the first is the output of the layer before.
        values = self.forward(weights, x, labels=labels).inputs
        inside = [pair.value for layer, pair in zip(self.layers, values, strict=True) if isinstance(layer, Dense)][1:]
        return max(inside, key=lambda array: array.shape[1])

    def flatten(self, x: Array) -> Array:
        """Flatten images to rows in the order of NHWC."""
        return x.reshape(len(x), prod(x.shape[1:]))

    def unflatten(self, x: Array, shape: tuple[int, ...]) -> Array:
        """Return the inverse of `flatten`."""
        return x.reshape(len(x), *shape)


def build(config: Config, kinds: Mapping[str, str]) -> dict[str, Network]:
    """Build the networks of an "mlp" configuration by name; a kind is F, G, E, D, pair or identity."""
    return {name: perceptron(config, name, kind) for name, kind in kinds.items()}


def perceptron(config: Config, name: str, kind: str) -> Network:
    """Build one network of a configuration of any family as a perceptron."""
    w = (config.networks.w,)
    output = {"F": w, "G": config.image, "E": w, "D": (), "pair": (), "identity": w}[kind]
    return Network([] if kind == "identity" else layers_of(config, name, kind), output)


def shapes(config: Config, kinds: Mapping[str, str]) -> dict[str, tuple[int, ...]]:
    """Return the shape of every weight by name; kernels are (fan_in, units)."""
    found: dict[str, tuple[int, ...]] = {}
    for name, kind in kinds.items():
        for i, (fan_in, units) in enumerate(pairwise(_widths(config, kind))):
            found |= {f"{name}/dense{i}/kernel": (fan_in, units), f"{name}/dense{i}/bias": (units,)}
    return found


def scales(networks: Mapping[str, Network]) -> dict[str, float]:
    """Return the factor by which each weight is multiplied when used: the equalized learning rate's constant, or 1."""
    found: dict[str, float] = {}
    for network in networks.values():
        for layer in network.layers:
            if isinstance(layer, Dense):
                found |= {f"{layer.name}/kernel": layer.scale, f"{layer.name}/bias": layer.bias_scale}
    return found


def settings_of(config: Config, kind: str) -> Perceptron:
    """Return the settings of a kind of network; those of "pair" are D's."""
    found: Perceptron = getattr(config.networks, "D" if kind == "pair" else kind)
    return found


def _widths(config: Config, kind: str) -> list[int]:
    if kind == "identity":
        return []
    z, w, pixels, labels = config.networks.z, config.networks.w, prod(config.image), config.labels
    ends = {"F": (z, w), "G": (w + labels, pixels), "E": (pixels + labels, w), "D": (w, 1), "pair": (2 * w, 1)}
    if config.networks.family == "style":
        ends |= {"F": (z + labels, w), "D": (w, labels or 1)}
    inputs, outputs = ends[kind]
    return [inputs, *settings_of(config, kind).hidden, outputs]


def layers_of(config: Config, name: str, kind: str) -> list[Layer]:
    """Return the layers of a perceptron."""
    choice = settings_of(config, kind)
    layers: list[Layer] = [PixelNorm()] if choice.pixel_norm else []
    fans = _widths(config, kind)[:-1]
    for i, fan_in in enumerate(fans):
        # Equalized learning rate: multiply the kernel by √2/√fan_in · lrmul when used, the bias by lrmul.
        equalized = config.networks.kernels == "equalized"
        scale, bias_scale = (sqrt(2 / fan_in) * choice.lrmul, choice.lrmul) if equalized else (1.0, 1.0)
        layers.append(Dense(f"{name}/dense{i}", scale, bias_scale))
        if i + 1 < len(fans) or choice.activate_output:
            layers.append(Leaky(choice.slope))
    if kind == "G" and config.networks.output == "tanh":
        layers.append(Tanh())
    return layers + normalization(config, name)


def normalization(config: Config, name: str) -> list[Layer]:
    """Return the layer that divides the w of F or E by its root mean square, if the configuration asks for it."""
    return [PixelNorm()] if name in ("F", "E") and config.networks.normalize_w else []
