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
    Flatten,
    Noise,
    Spread,
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
    """E, or a network like it: images of any level to w."""

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
        """w, and its derivative along `direction` where that is given."""
        path = Path(weights)
        image = path.enter(Pair(x, direction))
        lod = (x.shape[1] // 4).bit_length() - 1
        y, parts = path.through(image, *self.chains[f"{self.name}/from_rgb{lod}"]), []
        for i in range(lod, -1, -1):
            share, block = self.share(blend) if 0 < i == lod else 1.0, f"{self.name}/block{i}"
            for described in (f"{block}/described1", f"{block}/described2"):
                y = path.through(y, *self.chains[described])
                parts.append((share, path.through(y, *self.chains[f"{described}/style"])))
                y = path.through(y, *self.chains["norm"])
            if 0 < i == lod:
                below = path.through(image, Downsample(), *self.chains[f"{self.name}/from_rgb{lod - 1}"])
                y = path.sum((1 - blend, below), (blend, y))
        w = path.sum(*parts)
        return Trace(path.pairs[w], lambda adjoint: _back(path, image, w, adjoint))

    def share(self, blend: float) -> float:
        """How much the block that fades in adds to w of what it has to say."""
        return blend

    def backward(
        self, weights: Weights, trace: Trace, adjoint: Array, tangent_adjoint: Array | None = None
    ) -> tuple[Pair, Gradients]:
        """Adjoints of w and its directional derivative to those of the images, and each weight's gradient."""
        return trace.pull(Pair(adjoint, tangent_adjoint))


class PlainEncoder:
    """E without statistics: images of any level to w; or D on images, to a logit each.

    Convolutions with biases and leaky ReLUs, down to a dense layer on 4×4 pixels and one more.
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
        """What a D is told of its batch before the coarsest block."""
        return [Spread()] if self.judges and not lod else []

    def forward(self, weights: Weights, x: Array, direction: Array | None = None, *, blend: float) -> Trace:
        """w or logits, and their derivative along `direction` where that is given."""
        path = Path(weights)
        image = path.enter(Pair(x, direction))
        lod = (x.shape[1] // 4).bit_length() - 1
        y = path.through(image, *self.chains[f"{self.name}/from_rgb{lod}"])
        for i in range(lod, -1, -1):
            for conv in (f"{self.name}/block{i}/conv1", f"{self.name}/block{i}/conv2"):
                y = path.through(y, *self.chains[conv])
            if 0 < i == lod:
                below = path.through(image, Downsample(), *self.chains[f"{self.name}/from_rgb{lod - 1}"])
                y = path.sum((1 - blend, below), (blend, y))
        y = path.through(y, *self.chains[f"{self.name}/head"])
        output = both(lambda array: array[:, 0], path.pairs[y]) if self.judges else path.pairs[y]
        return Trace(output, lambda adjoint: _back(path, image, y, self.as_column(adjoint)))

    def as_column(self, adjoint: Pair) -> Pair:
        """The adjoint of the last layer's output."""
        return both(lambda array: array[:, None], adjoint) if self.judges else adjoint

    def backward(
        self, weights: Weights, trace: Trace, adjoint: Array, tangent_adjoint: Array | None = None
    ) -> tuple[Pair, Gradients]:
        """As `Encoder.backward`."""
        return trace.pull(Pair(adjoint, tangent_adjoint))


def build(config: Config, kinds: Mapping[str, str]) -> dict[str, Any]:
    """Networks of a configuration of the family "style" by name, each of a kind: F, G, E, D, pair or identity."""
    scales = _scales(config, kinds)
    return {name: _network(config, scales, name, kind) for name, kind in kinds.items()}


def _network(config: Config, scales: Mapping[str, float], name: str, kind: str) -> Any:
    if kind == "G":
        return Generator(config, scales)
    if kind == "E" and config.style.encoder == "style":
        return Encoder(config, scales, name)
    if kind == "E" or _sees_images(config, kind):
        return PlainEncoder(config, scales, name, judges=kind == "D")
    return mlp.perceptron(config, name, kind)


def _sees_images(config: Config, kind: str) -> bool:
    return kind == "D" and config.style.discriminator == "images"


def shapes(config: Config, kinds: Mapping[str, str]) -> dict[str, tuple[int, ...]]:
    """The shape of every weight by name: kernels are (k, k, in, out), or (fan_in, units) where they are dense."""
    found: dict[str, tuple[int, ...]] = {}
    for name, kind in kinds.items():
        if kind == "G":
            found |= _generator_shapes(config)
        elif kind == "E" and config.style.encoder == "style":
            found |= _encoder_shapes(config, name)
        elif kind == "E" or _sees_images(config, kind):
            found |= _plain_shapes(config, name, judges=kind == "D")
        else:
            found |= mlp.shapes(config, {name: kind})
    return found


def _generator_shapes(config: Config) -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {"G/const": (4, 4, _width(config, 0))}
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
    return found


def _from_rgb_shapes(config: Config, name: str, lod: int) -> dict[str, tuple[int, ...]]:
    rgb, here = f"{name}/from_rgb{lod}", _width(config, lod)
    return {f"{rgb}/kernel": (1, 1, config.image[2], here), f"{rgb}/bias": (here,)}


def _encoder_shapes(config: Config, name: str) -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {}
    for lod in range(config.lods):
        here, below = _width(config, lod), _width(config, lod - 1)
        block = f"{name}/block{lod}"
        found |= _from_rgb_shapes(config, name, lod)
        found |= {f"{block}/conv1/kernel": (3, 3, here, here), f"{block}/conv2/kernel": (3, 3, here, below)}
        for described, width in ((f"{block}/described1", here), (f"{block}/described2", below)):
            found |= {f"{described}/bias": (width,)} | _affine(f"{described}/style", 2 * width, config.networks.w)
    return found


def _plain_shapes(config: Config, name: str, *, judges: bool) -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {}
    for lod in range(config.lods):
        here, below = _width(config, lod), _width(config, lod - 1)
        block, more = f"{name}/block{lod}", int(judges and not lod)
        found |= _from_rgb_shapes(config, name, lod)
        found |= {f"{block}/conv1/kernel": (3, 3, here + more, here), f"{block}/conv1/bias": (here,)}
        if lod:
            found |= {f"{block}/conv2/kernel": (3, 3, here, below), f"{block}/conv2/bias": (below,)}
        else:
            found |= _affine(f"{block}/dense", 16 * here, below)
    return found | _affine(f"{name}/head", _width(config, -1), 1 if judges else config.networks.w)


def scales(networks: Mapping[str, Any]) -> dict[str, float]:
    """What each kernel and bias is multiplied by when used, where that is not 1."""
    mapped = {name: network for name, network in networks.items() if hasattr(network, "chains")}
    chains = [layer for network in mapped.values() for chain in network.chains.values() for layer in chain]
    found = {f"{layer.name}/kernel": layer.scale for layer in chains if isinstance(layer, (Conv, Dense))}
    return found | mlp.scales({name: network for name, network in networks.items() if name not in mapped})


def _width(config: Config, lod: int) -> int:
    """The feature maps at a level; those that E's coarsest block ends in are at level −1."""
    networks = config.style
    return min(networks.maxf, networks.startf * 2 ** (config.lods - 1 - lod))


def _affine(name: str, fan_in: int, units: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}/kernel": (fan_in, units), f"{name}/bias": (units,)}


def _scales(config: Config, kinds: Mapping[str, str]) -> dict[str, float]:
    """Equalized learning rate's constant gain/√fan_in by the name of each layer on maps, or after them."""
    found = {}
    for weight, shape in shapes(config, kinds).items():
        name, _, kind = weight.rpartition("/")
        if kind == "kernel":
            last = (name.startswith("G") and name.endswith("style")) or name.endswith("head")
            gain = 0.03 if "to_rgb" in name else 1.0 if last else sqrt(2)
            found[name] = gain / sqrt(prod(shape[:-1]))
    return found


def _back(path: Path, image: int, y: int, adjoint: Pair) -> tuple[Pair, Gradients]:
    """The adjoint of what became of images to theirs, and each weight's gradient."""
    adjoints, gradients = path.pull(y, adjoint)
    return adjoints[image], gradients


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
