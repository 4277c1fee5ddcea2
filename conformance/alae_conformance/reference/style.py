"""StyleALAE's F, G, E and D (paper section 4). Resampling is never fused with convolution: it is the same function."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import prod, sqrt
from typing import Any, NamedTuple

import numpy as np

from alae_conformance.reference import mlp
from alae_conformance.reference.features import (
    Bias,
    Blur,
    Centre,
    Conv,
    Downsample,
    Noise,
    Statistics,
    Upsample,
    both,
)
from alae_conformance.reference.layers import Array, Dense, Layer, Leaky, Pair, PixelNorm, Weights
from alae_core.config import Config

Gradients = dict[str, Array]

_SLOPE = 0.2


class Trace(NamedTuple):
    """One pass through a network: its output, and what leads adjoints of that back."""

    output: Pair
    pull: Callable[[Pair], tuple[Pair, Gradients]]


class Path:
    """One pass through a network that branches: every pair in it by number, and how each came from others."""

    def __init__(self, weights: Weights) -> None:
        self.weights = weights
        self.pairs: list[Pair] = []
        self._steps: list[tuple[int, tuple[int, ...], Callable[[Pair], tuple[Sequence[Pair], Gradients]]]] = []

    def enter(self, pair: Pair) -> int:
        """A pair that comes from nowhere in the network."""
        self.pairs.append(pair)
        return len(self.pairs) - 1

    def through(self, x: int, *layers: Layer) -> int:
        """Layers one after the other."""
        for layer in layers:
            y = self.enter(layer.forward(self.weights, self.pairs[x]))
            self._steps.append((y, (x,), partial(_single, layer, self.weights, self.pairs[x])))
            x = y
        return x

    def sum(self, *terms: tuple[float, int]) -> int:
        """The sum of factor · pair."""
        y = self.enter(_sum([_times(factor, self.pairs[x]) for factor, x in terms]))
        factors, inputs = zip(*terms, strict=True)
        self._steps.append((y, inputs, lambda adjoint: ([_times(factor, adjoint) for factor in factors], {})))
        return y

    def modulate(self, x: int, style: int) -> int:
        """x · (s₀ + 1) + s₁, s (batch, 2C) being s₀ beside s₁; of values alone, since no direction passes G."""
        maps, (s0, s1) = self.pairs[x].value, np.split(self.pairs[style].value[:, None, None], 2, 3)

        def pull(adjoint: Pair) -> tuple[Sequence[Pair], Gradients]:
            back = adjoint.value
            by_style = np.concatenate([(back * maps).sum((1, 2)), back.sum((1, 2))], 1)
            return [Pair(back * (s0 + 1)), Pair(by_style)], {}

        y = self.enter(Pair(maps * (s0 + 1) + s1))
        self._steps.append((y, (x, style), pull))
        return y

    def pull(self, y: int, adjoint: Pair) -> tuple[dict[int, Pair], Gradients]:
        """The adjoint of y to those of all pairs that it came from, and each weight's gradient."""
        adjoints, gradients = {y: adjoint}, Gradients()
        for output, inputs, pull in reversed(self._steps):
            if output in adjoints:
                back, found = pull(adjoints[output])
                gradients |= found
                for x, part in zip(inputs, back, strict=True):
                    adjoints[x] = _sum([adjoints[x], part]) if x in adjoints else part
        return adjoints, gradients


class Generator:
    """G: w (batch, w), or a style for each layer (batch, layers, w), to images of the level that the noise is for."""

    def __init__(self, config: Config) -> None:
        scales = _scales(config)
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

    def forward(self, weights: Weights, w: Array, *, noise: Sequence[Array], blend: float) -> Trace:
        """Images; `noise` has maps for each layer up to the level's last."""
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

    def styled(self, path: Path, name: str, x: int, w: int, noise: Array) -> int:
        """Noise, bias, leaky ReLU, instance norm, style."""
        x = path.through(x, Noise(name, noise), *self.chains[name])
        return path.modulate(x, path.through(w, *self.chains[f"{name}/style"]))

    def backward(self, weights: Weights, trace: Trace, adjoint: Array) -> tuple[Pair, Gradients]:
        """The images' adjoints to those of w, and each weight's gradient."""
        return trace.pull(Pair(adjoint))


class Encoder:
    """E: images of any level to w."""

    def __init__(self, config: Config) -> None:
        scales = _scales(config)
        self.chains: dict[str, list[Layer]] = {"norm": [Centre(), PixelNorm((1, 2), 1e-5)]}
        for lod in range(config.lods):
            rgb, block = f"E/from_rgb{lod}", f"E/block{lod}"
            first, second = f"{block}/described1", f"{block}/described2"
            self.chains |= {
                rgb: [_conv(scales, rgb), Bias(rgb), Leaky(_SLOPE), Leaky(_SLOPE)],
                first: [_conv(scales, f"{block}/conv1"), Bias(first), Leaky(_SLOPE)],
                second: [Blur(), _conv(scales, f"{block}/conv2"), Downsample(), Bias(second), Leaky(_SLOPE)],
            }
            for described in (first, second):
                self.chains[f"{described}/style"] = [Statistics(), _dense(scales, f"{described}/style")]

    def forward(self, weights: Weights, x: Array, direction: Array | None = None, *, blend: float) -> Trace:
        """w, and its derivative along `direction` where that is given."""
        path = Path(weights)
        image = path.enter(Pair(x, direction))
        lod = (x.shape[1] // 4).bit_length() - 1
        y, parts = path.through(image, *self.chains[f"E/from_rgb{lod}"]), []
        for i in range(lod, -1, -1):
            share = self.share(blend) if 0 < i == lod else 1.0
            for described in (f"E/block{i}/described1", f"E/block{i}/described2"):
                y = path.through(y, *self.chains[described])
                parts.append((share, path.through(y, *self.chains[f"{described}/style"])))
                y = path.through(y, *self.chains["norm"])
            if 0 < i == lod:
                below = path.through(image, Downsample(), *self.chains[f"E/from_rgb{lod - 1}"])
                y = path.sum((1 - blend, below), (blend, y))
        w = path.sum(*parts)

        def pull(adjoint: Pair) -> tuple[Pair, Gradients]:
            adjoints, gradients = path.pull(w, adjoint)
            return adjoints[image], gradients

        return Trace(path.pairs[w], pull)

    def share(self, blend: float) -> float:
        """How much the block that fades in adds to w of what it has to say."""
        return blend

    def backward(
        self, weights: Weights, trace: Trace, adjoint: Array, tangent_adjoint: Array | None = None
    ) -> tuple[Pair, Gradients]:
        """Adjoints of w and its directional derivative to those of the images, and each weight's gradient."""
        return trace.pull(Pair(adjoint, tangent_adjoint))


def build(config: Config) -> dict[str, Any]:
    """The four networks of a configuration of the family "style"."""
    outputs = {"F": (config.networks.w,), "D": ()}
    perceptrons = {name: mlp.perceptron(config, name, shape) for name, shape in outputs.items()}
    return perceptrons | {"G": Generator(config), "E": Encoder(config)}


def shapes(config: Config) -> dict[str, tuple[int, ...]]:
    """The shape of every weight by name: kernels are (k, k, in, out), or (fan_in, units) where they are dense."""
    found = mlp.shapes(config, "F") | {"G/const": (4, 4, _width(config, 0))}
    for lod in range(config.lods):
        here, below = _width(config, lod), _width(config, max(lod - 1, 0))
        block = f"G/block{lod}"
        found |= ({f"{block}/conv1/kernel": (3, 3, below, here)} if lod else {}) | {
            f"{block}/conv2/kernel": (3, 3, here, here)
        }
        for styled in (f"{block}/styled1", f"{block}/styled2"):
            found |= {f"{styled}/noise": (here,), f"{styled}/bias": (here,)} | _affine(
                f"{styled}/style", config.networks.w, 2 * here
            )
        found |= {f"G/to_rgb{lod}/kernel": (1, 1, here, config.image[2]), f"G/to_rgb{lod}/bias": (config.image[2],)}
    for lod in range(config.lods):
        here, below = _width(config, lod), _width(config, lod - 1)
        block = f"E/block{lod}"
        found |= {f"E/from_rgb{lod}/kernel": (1, 1, config.image[2], here), f"E/from_rgb{lod}/bias": (here,)}
        found |= {f"{block}/conv1/kernel": (3, 3, here, here), f"{block}/conv2/kernel": (3, 3, here, below)}
        for described, width in ((f"{block}/described1", here), (f"{block}/described2", below)):
            found |= {f"{described}/bias": (width,)} | _affine(f"{described}/style", 2 * width, config.networks.w)
    return found | mlp.shapes(config, "D")


def scales(networks: Mapping[str, Any]) -> dict[str, float]:
    """What each kernel and bias is multiplied by when used, where that is not 1."""
    chains = [layer for name in "GE" for chain in networks[name].chains.values() for layer in chain]
    found = {f"{layer.name}/kernel": layer.scale for layer in chains if isinstance(layer, (Conv, Dense))}
    return found | mlp.scales({name: networks[name] for name in "FD"})


def _width(config: Config, lod: int) -> int:
    """The feature maps at a level; those that E's coarsest block ends in are at level −1."""
    networks = config.style
    return min(networks.maxf, networks.startf * 2 ** (config.lods - 1 - lod))


def _affine(name: str, fan_in: int, units: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}/kernel": (fan_in, units), f"{name}/bias": (units,)}


def _scales(config: Config) -> dict[str, float]:
    """Equalized learning rate's constant gain/√fan_in by the name of each layer of G and E."""
    found = {}
    for weight, shape in shapes(config).items():
        name, _, kind = weight.rpartition("/")
        if kind == "kernel":
            gain = 0.03 if "to_rgb" in name else 1.0 if name.startswith("G") and name.endswith("style") else sqrt(2)
            found[name] = gain / sqrt(prod(shape[:-1]))
    return found


def _conv(scales: Mapping[str, float], name: str) -> Conv:
    return Conv(name, scales[name])


def _dense(scales: Mapping[str, float], name: str) -> Dense:
    return Dense(name, scales[name])


def _single(layer: Layer, weights: Weights, x: Pair, adjoint: Pair) -> tuple[Sequence[Pair], Gradients]:
    back, gradients = layer.backward(weights, x, adjoint)
    return [back], gradients


def _times(factor: float, pair: Pair) -> Pair:
    return both(lambda array: factor * array, pair)


def _sum(pairs: Sequence[Pair]) -> Pair:
    tangents = [pair.tangent for pair in pairs if pair.tangent is not None]
    return Pair(sum(pair.value for pair in pairs), sum(tangents) if tangents else None)  # type: ignore[arg-type]
