"""Names, shapes and scales of StyleALAE's weights, deliberately written independently of `alae_core`."""

from collections.abc import Mapping
from math import prod, sqrt

from alae_conformance.reference import mlp
from alae_core.config import Config


def shapes(config: Config, kinds: Mapping[str, str]) -> dict[str, tuple[int, ...]]:
    """Return the shape of every weight by name: (k, k, in, out) for convolution kernels, (fan_in, units) for dense."""
    found: dict[str, tuple[int, ...]] = {}
    for name, kind in kinds.items():
        if kind == "G":
            found |= _generator_shapes(config)
        elif kind == "E" and config.style.encoder == "style":
            found |= _encoder_shapes(config, name)
        elif kind == "E" or sees_images(config, kind):
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
    return found | _affine(f"{name}/head", _width(config, -1), (config.labels or 1) if judges else config.networks.w)


def sees_images(config: Config, kind: str) -> bool:
    """Return whether a network of this kind is a D on images."""
    return kind == "D" and config.style.discriminator == "images"


def _width(config: Config, lod: int) -> int:
    """Return the number of feature maps at a level; level −1 is the output of E's coarsest block."""
    networks = config.style
    return min(networks.maxf, networks.startf * 2 ** (config.lods - 1 - lod))


def _affine(name: str, fan_in: int, units: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}/kernel": (fan_in, units), f"{name}/bias": (units,)}


def constants(config: Config, kinds: Mapping[str, str]) -> dict[str, float]:
    """Return the equalized learning rate's constant, gain / √fan_in, of each layer outside the perceptrons."""
    found = {}
    for weight, shape in shapes(config, kinds).items():
        name, _, kind = weight.rpartition("/")
        if kind == "kernel":
            last = (name.startswith("G") and name.endswith("style")) or name.endswith("head")
            gain = 0.03 if "to_rgb" in name else 1.0 if last else sqrt(2)
            found[name] = gain / sqrt(prod(shape[:-1]))
    return found
