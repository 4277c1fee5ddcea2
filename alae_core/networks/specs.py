"""Specs of weights: shape, initial value, scale and levels of detail, known before the weights exist, without Keras.

A layout maps the names of weights to their specs. Layers create their weights from it, and `sizes` counts them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import Literal, NamedTuple

import numpy as np

from alae_core.groups import Kernels, Perceptron
from alae_core.streams import stream


class WeightSpec(NamedTuple):
    """One weight.

    Attributes:
        shape: its shape.
        initializer: "normal" draws from N(0, std²), "glorot" uniformly from ±√(6 / (fan_in + fan_out)).
        scale: the constant that multiplies it when it is used; 1 unless its learning rate is equalized.
        std: the standard deviation of a normal initializer.
        levels: the levels of detail at which it is used, at any blend; None means all of them.
    """

    shape: tuple[int, ...]
    initializer: Literal["normal", "glorot", "zeros", "ones"]
    scale: float = 1.0
    std: float = 1.0
    levels: range | None = None

    @property
    def size(self) -> int:
        """The number of its elements."""
        return prod(self.shape)


#: specs by name within a layer ("kernel"), a network ("block0/conv2/kernel") or a model ("G/block0/conv2/kernel")
Layout = Mapping[str, WeightSpec]


def dense_layout(
    inputs: int, outputs: int, *, equalized: bool = True, gain: float = 2**0.5, lrmul: float = 1.0
) -> dict[str, WeightSpec]:
    """Return the kernel (inputs, outputs) and bias (outputs,) of a dense layer.

    Plain kernels start Glorot-uniform. Equalized kernels start as N(0, 1/lrmul²) and are multiplied by
    gain/√inputs · lrmul when used, so that every layer's effective kernel starts at gain/√inputs and changes at a pace
    set by lrmul alone (Karras et al. 2018, section 4.1; the authors' `lreq.Linear`). Biases start at zero.
    """
    if not equalized:
        return {"kernel": WeightSpec((inputs, outputs), "glorot"), "bias": WeightSpec((outputs,), "zeros")}
    return {
        "kernel": WeightSpec((inputs, outputs), "normal", scale=gain / inputs**0.5 * lrmul, std=1 / lrmul),
        "bias": WeightSpec((outputs,), "zeros", scale=lrmul),
    }


def convolution_layout(
    inputs: int, outputs: int, size: int, *, gain: float = 2**0.5, bias: bool = False
) -> dict[str, WeightSpec]:
    """Return the kernel (size, size, inputs, outputs) of an equalized convolution, and its bias (outputs,), if any.

    The kernel starts as N(0, 1) and is multiplied by gain/√(size² · inputs) when used (the authors' `lreq.Conv2d`).
    """
    kernel = WeightSpec((size, size, inputs, outputs), "normal", scale=gain / (size**2 * inputs) ** 0.5)
    return {"kernel": kernel} | ({"bias": WeightSpec((outputs,), "zeros")} if bias else {})


def he_layout(inputs: tuple[int, ...], outputs: int, gain: float) -> dict[str, WeightSpec]:
    """Return the kernel (*inputs, outputs) and bias (outputs,) of a dense layer or a convolution.

    The kernel starts as N(0, gain² / fan_in), fan_in = the product of `inputs` (He et al. 2015), the bias at zero.
    """
    kernel = WeightSpec((*inputs, outputs), "normal", std=gain / prod(inputs) ** 0.5)
    return {"kernel": kernel, "bias": WeightSpec((outputs,), "zeros")}


def he_gain(slope: float) -> float:
    """Return the gain that keeps the scale of activations after a leaky ReLU; 1 for slope 1, which is no activation."""
    return (2 / (1 + slope**2)) ** 0.5


def perceptron_layout(choice: Perceptron, inputs: int, outputs: int, kernels: Kernels) -> dict[str, WeightSpec]:
    """Return the dense layers "dense0", "dense1", … of a perceptron with the hidden layers of `choice`."""

    def layer(i: int, fan_in: int, fan_out: int) -> Layout:
        if kernels != "he":
            return dense_layout(fan_in, fan_out, equalized=kernels == "equalized", lrmul=choice.lrmul)
        activated = i < len(choice.hidden) or choice.activate_output
        return he_layout((fan_in,), fan_out, he_gain(choice.slope if activated else 1))

    widths = pairwise([inputs, *choice.hidden, outputs])
    return join_parts({f"dense{i}": layer(i, *width) for i, width in enumerate(widths)})


def join_parts(parts: Mapping[str, Layout], levels: range | None = None) -> dict[str, WeightSpec]:
    """Join layouts into one: part "block0" with "conv1/kernel" gives "block0/conv1/kernel".

    `levels`, if given, replaces the levels of each spec.
    """
    return {
        f"{part}/{name}": spec if levels is None else spec._replace(levels=levels)
        for part, layout in parts.items()
        for name, spec in layout.items()
    }


@dataclass(frozen=True)
class Section:
    """The part of a model's layout that one network, block or layer holds.

    Attributes:
        path: its place in the model, such as "G/block0/conv2".
        layout: its specs by their names below `path`.
        seed: the seed of the configuration, from which initial values are drawn.
    """

    path: str
    layout: Layout
    seed: int

    @property
    def name(self) -> str:
        """The last part of `path`."""
        return self.path.rpartition("/")[2]

    @property
    def own(self) -> dict[str, WeightSpec]:
        """The specs of the section's own weights, without those of its parts."""
        return {name: spec for name, spec in self.layout.items() if "/" not in name}

    def __truediv__(self, part: str) -> "Section":
        """Return the section of a part."""
        prefix = f"{part}/"
        inner = {name.removeprefix(prefix): spec for name, spec in self.layout.items() if name.startswith(prefix)}
        return Section(f"{self.path}/{part}", inner, self.seed)

    def initial_value(self, name: str) -> np.ndarray:
        """Return the initial value of its own weight `name`, float32; the same bits on every backend.

        Random values come from the stream (seed, "weights/" + path): a layer has at most one random weight.
        """
        spec = self.layout[name]
        random = stream(self.seed, f"weights/{self.path}")
        match spec.initializer:
            case "normal":
                value = spec.std * random.standard_normal(spec.shape)
            case "glorot":
                limit = np.sqrt(6 / (spec.shape[0] + spec.shape[1]))
                value = random.uniform(-limit, limit, spec.shape)
            case "zeros":
                value = np.zeros(spec.shape)
            case "ones":
                value = np.ones(spec.shape)
        return value.astype(np.float32)
