"""Layers with weights on feature maps (batch, H, W, C), which map pairs as those in `layers.py` do, with hand-derived
gradients.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from math import pi, sqrt

import numpy as np

from alae_conformance.reference.layers import Array, Pair, Weights
from alae_conformance.reference.linear import PIXELS, apply_to_both, pad


@dataclass(frozen=True)
class Conv:
    """y = x ∗ (kernel · scale), a cross-correlation with zero padding; kernel is (k, k, in, out)."""

    name: str
    scale: float

    def forward(self, weights: Weights, x: Pair) -> Pair:
        kernel = weights[f"{self.name}/kernel"] * self.scale
        return apply_to_both(lambda maps: _convolve(maps, kernel), x)

    def backward(self, weights: Weights, x: Pair, adjoint: Pair) -> tuple[Pair, dict[str, Array]]:
        kernel = weights[f"{self.name}/kernel"] * self.scale
        flipped = kernel[::-1, ::-1].swapaxes(2, 3)
        gradient = self._kernel_gradient(x.value, adjoint.value, len(kernel))
        if adjoint.tangent is not None and x.tangent is not None:
            gradient = gradient + self._kernel_gradient(x.tangent, adjoint.tangent, len(kernel))
        back = apply_to_both(lambda maps: _convolve(maps, flipped), adjoint)
        return back, {f"{self.name}/kernel": gradient * self.scale}

    def _kernel_gradient(self, x: Array, adjoint: Array, size: int) -> Array:
        images_and_pixels = ([0, 1, 2], [0, 1, 2])
        return np.tensordot(_windows(x, size), adjoint, images_and_pixels).transpose(1, 2, 0, 3)


@dataclass(frozen=True)
class StrideConv:
    """A 4×4 cross-correlation at every second pixel, with one row or column of zeros on each side; halves both sides.

    Output pixel (i, j) sees input rows 2i − 1 … 2i + 2 and columns 2j − 1 … 2j + 2. The kernel is (4, 4, in, out).
    """

    name: str

    def forward(self, weights: Weights, x: Pair) -> Pair:
        kernel = weights[f"{self.name}/kernel"]
        return apply_to_both(lambda maps: sum(part @ kernel[tap] for tap, part in self.taps(self.pad(maps))), x)

    def backward(self, weights: Weights, x: Pair, adjoint: Pair) -> tuple[Pair, dict[str, Array]]:
        kernel = weights[f"{self.name}/kernel"]
        gradient = self.kernel_gradient(x.value, adjoint.value)
        if adjoint.tangent is not None and x.tangent is not None:
            gradient = gradient + self.kernel_gradient(x.tangent, adjoint.tangent)
        back = apply_to_both(lambda maps: self.scatter(maps, kernel, x.value.shape), adjoint)
        return back, {f"{self.name}/kernel": gradient}

    def pad(self, x: Array) -> Array:
        """Add the zeros around the maps."""
        return pad(x, 1)

    def taps(self, padded: Array) -> Iterator[tuple[tuple[int, int], Array]]:
        """Yield each place of the kernel, and the padded input's pixels that it multiplies, as views."""
        height, width = padded.shape[1] - 2, padded.shape[2] - 2
        for a, b in product(range(4), repeat=2):
            yield (a, b), padded[:, a : a + height : 2, b : b + width : 2]

    def kernel_gradient(self, x: Array, adjoint: Array) -> Array:
        """Return the kernel's gradient from an input and an adjoint of the output."""
        found = np.stack([np.tensordot(part, adjoint, ([0, 1, 2], [0, 1, 2])) for _, part in self.taps(self.pad(x))])
        return found.reshape(4, 4, *found.shape[1:])

    def scatter(self, adjoint: Array, kernel: Array, shape: tuple[int, ...]) -> Array:
        """Propagate an adjoint of the output to the input, of this shape."""
        padded = self.pad(np.zeros(shape, np.result_type(adjoint, kernel)))
        for tap, part in self.taps(padded):
            part += adjoint @ kernel[tap].T
        return padded[:, 1:-1, 1:-1]


@dataclass(frozen=True)
class Bias:
    """y = x + bias, with one number per channel."""

    name: str

    def forward(self, weights: Weights, x: Pair) -> Pair:
        return Pair(x.value + weights[f"{self.name}/bias"], x.tangent)

    def backward(self, weights: Weights, x: Pair, adjoint: Pair) -> tuple[Pair, dict[str, Array]]:
        return adjoint, {f"{self.name}/bias": adjoint.value.sum((0, 1, 2))}


@dataclass(frozen=True)
class Noise:
    """y = x + noise · weight, with one noise map per image or one for all, and one weight per channel."""

    name: str
    maps: Array

    def forward(self, weights: Weights, x: Pair) -> Pair:
        return Pair(x.value + self.maps * weights[f"{self.name}/noise"], x.tangent)

    def backward(self, weights: Weights, x: Pair, adjoint: Pair) -> tuple[Pair, dict[str, Array]]:
        return adjoint, {f"{self.name}/noise": (adjoint.value * self.maps).sum((0, 1, 2))}


@dataclass(frozen=True)
class Bump:
    """y = x + 0.8·s·exp(−x²/2s²)/√2π with s = √(level + 1): what the authors' code adds if noise is off."""

    level: int

    def forward(self, weights: Weights, x: Pair) -> Pair:
        s = sqrt(self.level + 1)
        return Pair(x.value + 0.8 * s / sqrt(2 * pi) * np.exp(-(x.value**2) / (2 * s * s)))

    def backward(self, weights: Weights, x: Pair, adjoint: Pair) -> tuple[Pair, dict[str, Array]]:
        raise NotImplementedError("no update has this noise")


def _windows(x: Array, size: int) -> Array:
    """Return the window of a kernel at each pixel, (batch, H, W, C, size, size), with zero padding."""
    return np.lib.stride_tricks.sliding_window_view(pad(x, size // 2), (size, size), PIXELS)


def _convolve(x: Array, kernel: Array) -> Array:
    return np.tensordot(_windows(x, len(kernel)), kernel, ([4, 5, 3], [0, 1, 2]))
