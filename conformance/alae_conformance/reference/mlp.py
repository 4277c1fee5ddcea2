"""MLP-ALAE's F, G, E and D: perceptrons on flat inputs (paper section 5.1)."""

from collections.abc import Mapping
from itertools import pairwise
from math import prod, sqrt
from typing import NamedTuple

import numpy as np

from alae_conformance.reference.layers import Array, Dense, Layer, Leaky, Pair, PixelNorm, Weights
from alae_core.config import Config


class Trace(NamedTuple):
    """One pass through a network: its output, and what its gradient needs."""

    output: Pair
    inputs: list[Pair]  # of each layer
    shape: tuple[int, ...]  # of the network's own input


class Network:
    """A perceptron from (batch, *shape) to (batch, *shape), with labels appended to its flat input if there are any."""

    def __init__(self, layers: list[Layer], output: tuple[int, ...]) -> None:
        self.layers, self.output = layers, output

    def forward(self, weights: Weights, x: Array, direction: Array | None = None, labels: Array | None = None) -> Trace:
        """The output, and its derivative along `direction` where that is given; `labels` are one-hot."""
        pair = Pair(self.flatten(x), None if direction is None else self.flatten(direction))
        if labels is not None:
            still = None if pair.tangent is None else np.concatenate([pair.tangent, np.zeros_like(labels)], 1)
            pair = Pair(np.concatenate([pair.value, labels], 1), still)
        inputs = []
        for layer in self.layers:
            inputs.append(pair)
            pair = layer.forward(weights, pair)
        tangent = None if pair.tangent is None else self.unflatten(pair.tangent, self.output)
        return Trace(Pair(self.unflatten(pair.value, self.output), tangent), inputs, x.shape[1:])

    def backward(
        self, weights: Weights, trace: Trace, adjoint: Array, tangent_adjoint: Array | None = None
    ) -> tuple[Pair, dict[str, Array]]:
        """Adjoints of the output and its directional derivative to those of the input, and each weight's gradient."""
        pair = Pair(self.flatten(adjoint), None if tangent_adjoint is None else self.flatten(tangent_adjoint))
        gradients: dict[str, Array] = {}
        for layer, x in zip(reversed(self.layers), reversed(trace.inputs), strict=True):
            pair, found = layer.backward(weights, x, pair)
            gradients |= found
        size = prod(trace.shape)  # without the labels' columns
        back = None if pair.tangent is None else self.unflatten(pair.tangent[:, :size], trace.shape)
        return Pair(self.unflatten(pair.value[:, :size], trace.shape), back), gradients

    def flatten(self, x: Array) -> Array:
        """Rows, columns, then channels: the order of NHWC in memory."""
        return x.reshape(len(x), -1)

    def unflatten(self, x: Array, shape: tuple[int, ...]) -> Array:
        """The inverse of `flatten`."""
        return x.reshape(len(x), *shape)


def build(config: Config) -> dict[str, Network]:
    """The four networks of a configuration of the family "mlp"."""
    outputs = {"F": (config.networks.w,), "G": config.image, "E": (config.networks.w,), "D": ()}
    return {network: perceptron(config, network, shape) for network, shape in outputs.items()}


def perceptron(config: Config, network: str, output: tuple[int, ...]) -> Network:
    """One network of a configuration, whatever its family, that is a perceptron there."""
    return Network(_layers(config, network), output)


def shapes(config: Config, networks: str = "FGED") -> dict[str, tuple[int, ...]]:
    """The shape of every weight by name: kernels are (fan_in, units)."""
    found: dict[str, tuple[int, ...]] = {}
    for network in networks:
        widths = _widths(config, network)
        for i, (fan_in, units) in enumerate(pairwise(widths)):
            found |= {f"{network}/dense{i}/kernel": (fan_in, units), f"{network}/dense{i}/bias": (units,)}
    return found


def scales(networks: Mapping[str, Network]) -> dict[str, float]:
    """What each weight is multiplied by when used: equalized learning rate's constant, or 1."""
    found: dict[str, float] = {}
    for network in networks.values():
        for layer in network.layers:
            if isinstance(layer, Dense):
                found |= {f"{layer.name}/kernel": layer.scale, f"{layer.name}/bias": layer.bias_scale}
    return found


def _widths(config: Config, network: str) -> list[int]:
    z, w, pixels, labels = config.networks.z, config.networks.w, prod(config.image), config.labels
    inputs, outputs = {"F": (z, w), "G": (w + labels, pixels), "E": (pixels + labels, w), "D": (w, 1)}[network]
    return [inputs, *getattr(config.networks, network).hidden, outputs]


def _layers(config: Config, network: str) -> list[Layer]:
    choice = getattr(config.networks, network)
    layers: list[Layer] = [PixelNorm()] if choice.pixel_norm else []
    fans = _widths(config, network)[:-1]
    for i, fan_in in enumerate(fans):
        # Equalized learning rate: the kernel is multiplied by √2/√fan_in · lrmul when used, the bias by lrmul.
        equalized = config.networks.equalized
        scale, bias_scale = (sqrt(2 / fan_in) * choice.lrmul, choice.lrmul) if equalized else (1.0, 1.0)
        layers.append(Dense(f"{network}/dense{i}", scale, bias_scale))
        if i + 1 < len(fans) or choice.activate_output:
            layers.append(Leaky(choice.slope))
    return layers
