"""Ways to multiply one constant of the reference by a factor."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from alae_conformance.reference import style
from alae_conformance.reference.baselines import reference_of
from alae_conformance.reference.features import Bump
from alae_conformance.reference.layers import Array, Gradients, Pair, Weights
from alae_conformance.reference.linear import Blur, UpsampleBilinear, pad
from alae_conformance.reference.training import Reference
from alae_conformance.reference.updates import Batch
from alae_conformance.subjects import Arrays
from alae_conformance.subjects.reference import ReferenceSubject
from alae_core.config import Config

#: the largest p of adaptive augmentation
_MOST_P = 0.8
#: makes a subject with the constant multiplied by a factor, which lasts as long as the context
Change = Callable[[float], AbstractContextManager[ReferenceSubject]]

# ---- any constant ----------------------------------------------------------------------------------------------------


def configured(key: str) -> Change:
    """Multiply a number of the configuration, by its dotted key; a list on the way stands for all of its parts."""

    class Configured(ReferenceSubject):
        def __init__(self, factor: float) -> None:
            super().__init__()
            self.factor = factor

        def open(self, config: Mapping[str, Any], *arguments: Any, **options: Any) -> None:
            super().open(_multiply(config, key.split("."), self.factor), *arguments, **options)

    return lambda factor: nullcontext(Configured(factor))


def _multiply(data: Any, keys: list[str], factor: float) -> Any:
    if isinstance(data, list | tuple):
        return [_multiply(part, keys, factor) for part in data]
    if not keys:
        return data if data is None else data * factor
    if not isinstance(data, Mapping) or keys[0] not in data:
        return data
    return {**data, keys[0]: _multiply(data[keys[0]], keys[1:], factor)}


def changed(change: Callable[[Any, float], None]) -> Change:
    """Let `change` alter the reference of every run, whatever its algorithm."""

    def build(factor: float, config: Config) -> Reference:
        reference = reference_of(config)(config)
        change(reference, factor)
        return reference

    return lambda factor: nullcontext(ReferenceSubject(partial(build, factor)))


def method(name: str, change: Callable[..., Any]) -> Change:
    """Replace the result of a method of the reference by `change(factor, result, *arguments)`."""

    def alter(reference: Any, factor: float) -> None:
        sound = getattr(reference, name)
        setattr(reference, name, lambda *given, **options: change(factor, sound(*given, **options), *given))

    return changed(alter)


def layers(kind: type, change: Callable[[Any, float], Any], networks: str = "FGEDVXC", part: str = "") -> Change:
    """Replace the layers of a kind, in some networks, and in chains with `part` in their name."""

    def alter(reference: Any, factor: float) -> None:
        def other(layer: Any) -> Any:
            return change(layer, factor) if isinstance(layer, kind) else layer

        for network in (network for name, network in reference.networks.items() if name in networks):
            if hasattr(network, "chains"):
                network.chains |= {
                    name: [other(layer) for layer in chain] for name, chain in network.chains.items() if part in name
                }
            elif not part:
                network.layers = [other(layer) for layer in network.layers]
        # Adam's gradients are with respect to scaled weights.
        reference.scales |= {name: scale for name, scale in style.scales(reference.networks).items() if scale != 1}

    return changed(alter)


def field(kind: type, name: str, networks: str = "FGEDVXC", part: str = "") -> Change:
    """Multiply a number of the layers of a kind."""
    return layers(kind, lambda layer, factor: replace(layer, **{name: getattr(layer, name) * factor}), networks, part)


def numbers(columns: int | slice, change: Callable[[Array, float], Array]) -> Change:
    """Change the random numbers of some columns before augmentation reads them."""

    def alter(reference: Any, factor: float) -> None:
        sound = reference.augmentation

        def augmentation(shape: Any, batch: Batch) -> Any:
            if batch.augment is None:
                return None
            other = np.array(batch.augment, np.float64)
            other[:, columns] = change(other[:, columns], factor)
            return sound(shape, batch._replace(augment=other))

        reference.augmentation = augmentation

    return changed(alter)


def range_of(columns: slice, first: int, last: int | None = None) -> Change:
    """Multiply the half-width of a transformation's uniform distribution, from its number `first` on."""

    def narrow(drawn: Array, factor: float) -> Array:
        drawn[:, first:last] = 0.5 + (drawn[:, first:last] - 0.5) * factor
        return drawn

    return numbers(columns, narrow)


def attribute(module: Any, name: str, change: Callable[[Any, float], Any]) -> Change:
    """Replace an attribute of a module, a number or a function."""

    @contextmanager
    def context(factor: float) -> Iterator[ReferenceSubject]:
        sound = getattr(module, name)
        setattr(module, name, change(sound, factor))
        try:
            yield ReferenceSubject()
        finally:
            setattr(module, name, sound)

    return context


def drawn_noise() -> Change:
    """Multiply the noise that the device draws."""

    class Noisy(ReferenceSubject):
        def __init__(self, factor: float) -> None:
            super().__init__()
            self.factor = factor

        def noise(self, step: int, count: int) -> Arrays:
            return {name: self.factor * array for name, array in super().noise(step, count).items()}

    return lambda factor: nullcontext(Noisy(factor))


# ---- single constants ------------------------------------------------------------------------------------------------


def scale_loss(factor: float, found: tuple[float, Gradients], *given: Any) -> tuple[float, Gradients]:
    """Multiply a loss and its gradients."""
    loss, gradients = found
    return factor * loss, {name: factor * gradient for name, gradient in gradients.items()}


def term_of(name: str) -> Change:
    """Multiply a term of the adversarial objective."""

    def alter(reference: Any, factor: float) -> None:
        sound = getattr(reference.objective, name)

        def term(t: Array) -> tuple[Array, Array]:
            value, derivative = sound(t)
            return factor * value, factor * derivative

        reference.objective = reference.objective._replace(**{name: term})

    return changed(alter)


def scale_kernel(factor: float, weight: Array, name: str, shape: tuple[int, ...]) -> Array:
    """Multiply an initial weight if it is a kernel."""
    return factor * weight if name.endswith("kernel") else weight


def limit_p(factor: float, p: float, weights: Weights, before: float, *given: Any) -> float:
    """Multiply the largest p."""
    return min(p, _MOST_P * factor)


def scale_step_of_p(factor: float, p: float, weights: Weights, before: float, *given: Any) -> float:
    """Multiply the step of p."""
    return before + factor * (p - before)


class OtherBlur(Blur):
    """A blur with [1 2·factor 1], divided by its sum."""

    def __init__(self, factor: float) -> None:
        self.centre = 2 * factor

    def apply(self, x: Array) -> Array:
        """See `Blur`."""
        x, whole = pad(x, 1), 2 + self.centre
        x = (x[:, :-2] + self.centre * x[:, 1:-1] + x[:, 2:]) / whole
        return (x[:, :, :-2] + self.centre * x[:, :, 1:-1] + x[:, :, 2:]) / whole


class OtherBilinear(UpsampleBilinear):
    """Doubling with ¾·factor of the nearest pixel."""

    def __init__(self, factor: float) -> None:
        self.near = 0.75 * factor

    def double(self, x: Array) -> Array:
        """See `UpsampleBilinear`."""
        before, after = np.concatenate([x[:1], x[:-1]]), np.concatenate([x[1:], x[-1:]])
        pairs = np.stack([self.near * x + (1 - self.near) * each for each in (before, after)], 1)
        return pairs.reshape(-1, *x.shape[1:])


class OtherBump(Bump):
    """A bump of another height."""

    factor = 1.0

    def forward(self, weights: Weights, x: Pair) -> Pair:
        """See `Bump`."""
        return Pair(x.value + self.factor * (super().forward(weights, x).value - x.value))


def scale_bytes(sound: Callable[[Array], Array], factor: float) -> Callable[[Array], Array]:
    """Return a conversion to floats that multiplies images in bytes."""

    def scaled(images: Array) -> Array:
        return factor * sound(images) if images.dtype == np.uint8 else sound(images)

    return scaled


def scale_bump(sound: type[Bump], factor: float) -> type[Bump]:
    """Return a class of bumps of another height."""
    return type("Scaled", (OtherBump,), {"factor": factor})


def multiply(value: float, factor: float) -> float:
    """Return the product."""
    return value * factor
