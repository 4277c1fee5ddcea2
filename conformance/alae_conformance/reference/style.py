"""StyleALAE's F, G, E and D (paper section 4), with resampling and convolution as separate layers."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from alae_conformance.reference import labelled, mlp
from alae_conformance.reference.features import Bias, Bump, Conv, Noise
from alae_conformance.reference.layers import Array, Dense, Gradients, Layer, Leaky, Pair, PixelNorm, Trace, Weights
from alae_conformance.reference.linear import Blur, Centre, Downsample, Flatten, Upsample
from alae_conformance.reference.path import Path
from alae_conformance.reference.statistics import Spread, Statistics
from alae_conformance.reference.style_layout import constants, sees_images, shapes
from alae_core.config import Config

__all__ = ["Encoder", "Generator", "PlainEncoder", "build", "scales", "shapes"]

_SLOPE = 0.2


class Generator:
    """G: from w (batch, w), or one style per layer (batch, layers, w), to images of the level that has this noise."""

    def __init__(self, config: Config, scales: Mapping[str, float]) -> None:
        self.chains: dict[str, list[Layer]] = {}
        for lod in range(config.lods):
            block = f"G/block{lod}"
            self.chains[f"{block}/conv1"] = [Upsample(), _conv(scales, f"{block}/conv1"), Blur()] if lod else []
            self.chains[f"{block}/conv2"] = [_conv(scales, f"{block}/conv2")]
            for styled in (f"{block}/styled1", f"{block}/styled2"):
                self.chains[styled] = [Bias(styled), Leaky(_SLOPE), Centre(), PixelNorm((1, 2), 1e-8)]
                self.chains[f"{styled}/style"] = [_dense(scales, f"{styled}/style")]
            rgb = f"G/to_rgb{lod}"
            self.chains[rgb] = [_conv(scales, rgb), Bias(rgb)]

    def forward(self, weights: Weights, w: Array, *, noise: Sequence[Array | None], blend: float) -> Trace:
        """Generate images; `noise` has the maps of each layer up to the level's last, or None for a bump instead."""
        path = Path(weights)
        styles = [path.enter(Pair(w if w.ndim == 2 else w[:, layer])) for layer in range(len(noise))]
        const = path.enter(Pair(weights["G/const"][None].repeat(len(w), 0)))
        x, lod = const, len(noise) // 2 - 1
        for i in range(lod + 1):
            if 0 < i == lod:
                below = path.through(x, *self.chains[f"G/to_rgb{lod - 1}"], Upsample())
            for conv, styled, layer in (("conv1", "styled1", 2 * i), ("conv2", "styled2", 2 * i + 1)):
                x = path.through(x, *self.chains[f"G/block{i}/{conv}"])
                x = self.styled(path, f"G/block{i}/{styled}", x, styles[layer], noise[layer])
        image = path.through(x, *self.chains[f"G/to_rgb{lod}"])
        if lod:
            image = path.sum((1 - blend, below), (blend, image))

        def pull(adjoint: Pair) -> tuple[Pair, Gradients]:
            adjoints, gradients = path.pull(image, adjoint)
            by_layer = np.stack([adjoints[style].value for style in styles], 1)
            gradients["G/const"] = adjoints[const].value.sum(0)
            return Pair(by_layer.sum(1) if w.ndim == 2 else by_layer), gradients

        return Trace(path.pairs[image], pull)

    def styled(self, path: Path, name: str, x: int, w: int, noise: Array | None) -> int:
        """Apply noise, bias, leaky ReLU, instance norm and style."""
        level = int(name.split("/")[1].removeprefix("block"))
        x = path.through(x, Bump(level) if noise is None else Noise(name, noise), *self.chains[name])
        return path.modulate(x, path.through(w, *self.chains[f"{name}/style"]))

    def backward(self, weights: Weights, trace: Trace, adjoint: Array) -> tuple[Pair, Gradients]:
        """Propagate the adjoint of images to w; returns it and each weight's gradient."""
        return trace.pull(Pair(adjoint))


class Encoder:
    """E, or a network of the same shape: from images of any level to w."""

    def __init__(self, config: Config, scales: Mapping[str, float], name: str) -> None:
        self.name = name
        self.chains: dict[str, list[Layer]] = {"norm": [Centre(), PixelNorm((1, 2), 1e-5)]}
        for lod in range(config.lods):
            rgb, block = f"{name}/from_rgb{lod}", f"{name}/block{lod}"
            first, second = f"{block}/described1", f"{block}/described2"
            self.chains |= {
                rgb: [_conv(scales, rgb), Bias(rgb), Leaky(_SLOPE), Leaky(_SLOPE)],
                first: [_conv(scales, f"{block}/conv1"), Bias(first), Leaky(_SLOPE)],
                second: [Blur(), _conv(scales, f"{block}/conv2"), Downsample(), Bias(second), Leaky(_SLOPE)],
            }
            for described in (first, second):
                self.chains[f"{described}/style"] = [Statistics(), _dense(scales, f"{described}/style")]

    def forward(self, weights: Weights, x: Array, direction: Array | None = None, *, blend: float) -> Trace:
        """Encode images to w, with its derivative along `direction` if one is given."""
        path = Path(weights)
        image = path.enter(Pair(x, direction))
        w = path.sum(*((share, style) for share, _, style in self.parts(path, image, blend)))
        return Trace(path.pairs[w], lambda adjoint: _back(path, image, w, adjoint))

    def hidden(self, weights: Weights, x: Array, *, blend: float) -> Array:
        """Return the means and deviations of all layers, finest first, (batch, n)."""
        path = Path(weights)
        parts = self.parts(path, path.enter(Pair(x)), blend)
        return np.concatenate([path.pairs[statistics].value for _, statistics, _ in parts], 1)

    def parts(self, path: Path, image: int, blend: float) -> list[tuple[float, int, int]]:
        """Return the terms of w, finest first: the factor of each, and the numbers of its statistics and its style."""
        lod = (path.pairs[image].value.shape[1] // 4).bit_length() - 1
        y, parts = path.through(image, *self.chains[f"{self.name}/from_rgb{lod}"]), []
        for i in range(lod, -1, -1):
            share, block = self.share(blend) if 0 < i == lod else 1.0, f"{self.name}/block{i}"
            for described in (f"{block}/described1", f"{block}/described2"):
                y = path.through(y, *self.chains[described])
                describe, project = self.chains[f"{described}/style"]
                statistics = path.through(y, describe)
                parts.append((share, statistics, path.through(statistics, project)))
                y = path.through(y, *self.chains["norm"])
            if 0 < i == lod:
                below = path.through(image, Downsample(), *self.chains[f"{self.name}/from_rgb{lod - 1}"])
                y = path.sum((1 - blend, below), (blend, y))
        return parts

    def share(self, blend: float) -> float:
        """Return the weight of the fading block's terms of w."""
        return blend

    def backward(
        self, weights: Weights, trace: Trace, adjoint: Array, tangent_adjoint: Array | None = None
    ) -> tuple[Pair, Gradients]:
        """Propagate the adjoints of w and of its tangent to the images; returns them and each weight's gradient."""
        return trace.pull(Pair(adjoint, tangent_adjoint))


class PlainEncoder:
    """E without statistics, from images of any level to w; or D on images, to one logit per image.

    Convolutions with biases and leaky ReLUs, then two dense layers, the first on 4×4 pixels. The last layer of a D with
    labels has an output for each class, of which the label selects one.
    """

    def __init__(self, config: Config, scales: Mapping[str, float], name: str, *, judges: bool) -> None:
        self.name, self.judges = name, judges
        self.chains: dict[str, list[Layer]] = {f"{name}/head": [_dense(scales, f"{name}/head")]}
        for lod in range(config.lods):
            rgb, block = f"{name}/from_rgb{lod}", f"{name}/block{lod}"
            first, second = f"{block}/conv1", f"{block}/conv2"
            self.chains |= {
                rgb: [_conv(scales, rgb), Bias(rgb), Leaky(_SLOPE), Leaky(_SLOPE)],
                first: [*self.spread(lod), _conv(scales, first), Bias(first), Leaky(_SLOPE)],
                second: [Blur(), _conv(scales, second), Downsample(), Bias(second), Leaky(_SLOPE)]
                if lod
                else [Flatten(), _dense(scales, f"{block}/dense"), Leaky(_SLOPE)],
            }

    def spread(self, lod: int) -> list[Layer]:
        """Return the layer, before the coarsest block, that shows a D how much the images of its batch differ."""
        return [Spread()] if self.judges and not lod else []

    def forward(
        self, weights: Weights, x: Array, direction: Array | None = None, *, blend: float, labels: Array | None = None
    ) -> Trace:
        """Compute w or logits, with their derivative along `direction` if one is given; `labels` are one-hot."""
        path = Path(weights)
        image = path.enter(Pair(x, direction))
        y = path.through(self.last_hidden(path, image, blend), *self.chains[f"{self.name}/head"])
        if not self.judges:
            return Trace(path.pairs[y], lambda adjoint: _back(path, image, y, adjoint))
        # Without labels, there is one output for all images.
        classes = np.ones((len(x), 1)) if labels is None else labels

        def pull(adjoint: Pair) -> tuple[Pair, Gradients]:
            return _back(path, image, y, labelled.spread_over_classes(adjoint, classes))

        return Trace(labelled.select(path.pairs[y], classes), pull)

    def hidden(self, weights: Weights, x: Array, *, blend: float) -> Array:
        """Return the input of the last layer, (batch, n)."""
        path = Path(weights)
        return path.pairs[self.last_hidden(path, path.enter(Pair(x)), blend)].value

    def last_hidden(self, path: Path, image: int, blend: float) -> int:
        """Return the number of the last layer's input."""
        lod = (path.pairs[image].value.shape[1] // 4).bit_length() - 1
        y = path.through(image, *self.chains[f"{self.name}/from_rgb{lod}"])
        for i in range(lod, -1, -1):
            for conv in (f"{self.name}/block{i}/conv1", f"{self.name}/block{i}/conv2"):
                y = path.through(y, *self.chains[conv])
            if 0 < i == lod:
                below = path.through(image, Downsample(), *self.chains[f"{self.name}/from_rgb{lod - 1}"])
                y = path.sum((1 - blend, below), (blend, y))
        return y

    def backward(
        self, weights: Weights, trace: Trace, adjoint: Array, tangent_adjoint: Array | None = None
    ) -> tuple[Pair, Gradients]:
        """See `Encoder.backward`."""
        return trace.pull(Pair(adjoint, tangent_adjoint))


def build(config: Config, kinds: Mapping[str, str]) -> dict[str, Any]:
    """Build the networks of a "style" configuration by name; a kind is F, G, E, D, pair or identity."""
    scales = constants(config, kinds)
    return {name: _network(config, scales, name, kind) for name, kind in kinds.items()}


def _network(config: Config, scales: Mapping[str, float], name: str, kind: str) -> Any:
    if kind == "G":
        return Generator(config, scales)
    if kind == "E" and config.style.encoder == "style":
        return Encoder(config, scales, name)
    if kind == "E" or sees_images(config, kind):
        return PlainEncoder(config, scales, name, judges=kind == "D")
    if config.labels and kind == "F":
        # Without the layer that normalizes z, which the label is not part of.
        return labelled.Mapping(mlp.layers_of(config, name, kind)[1:], (config.networks.w,))
    if config.labels and kind == "D":
        return labelled.Critic(mlp.layers_of(config, name, kind), (config.labels,))
    return mlp.perceptron(config, name, kind)


def scales(networks: Mapping[str, Any]) -> dict[str, float]:
    """Return the factor by which each kernel and bias is multiplied when used, where it is not 1."""
    mapped = {name: network for name, network in networks.items() if hasattr(network, "chains")}
    chains = [layer for network in mapped.values() for chain in network.chains.values() for layer in chain]
    found = {f"{layer.name}/kernel": layer.scale for layer in chains if isinstance(layer, (Conv, Dense))}
    return found | mlp.scales({name: network for name, network in networks.items() if name not in mapped})


def _back(path: Path, image: int, y: int, adjoint: Pair) -> tuple[Pair, Gradients]:
    """Propagate the adjoint of `y` to the images; returns it and each weight's gradient."""
    adjoints, gradients = path.pull(y, adjoint)
    return adjoints[image], gradients


def _conv(scales: Mapping[str, float], name: str) -> Conv:
    return Conv(name, scales[name])


def _dense(scales: Mapping[str, float], name: str) -> Dense:
    return Dense(name, scales[name])
