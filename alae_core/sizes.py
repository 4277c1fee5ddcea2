"""How much a configuration takes, counted before anything is built, so that what no memory can hold is refused.

Everything counted is a lower bound, for a machine may always need more: activations, gradients, copies.
"""

import os
from math import prod
from pathlib import Path

from alae_core.config import NETWORKS, Config, MlpNetworks, Perceptron, StyleNetworks
from alae_core.errors import ConfigError

#: arrays that training keeps of each weight: itself, its running average and Adam's two moments
_TRAINING = 4


def weights(config: Config) -> dict[str, int]:
    """How many weights each network has, by name; of an algorithm of one's own, unknown here, nothing."""
    counts = _by_shape(config)
    return {name: counts[shape] for name, shape in NETWORKS.get(config.algorithm, {}).items()}


def _by_shape(config: Config) -> dict[str, int]:
    networks, pixels, z, w = config.networks, prod(config.image), config.networks.z, config.networks.w
    beside = {"pair": _perceptron(networks.D, 2 * w, 1), "identity": 0}
    if isinstance(networks, MlpNetworks):
        return beside | {
            "F": _perceptron(networks.F, z, w),
            "G": _perceptron(networks.G, w + config.labels, pixels),
            "E": _perceptron(networks.E, pixels + config.labels, w),
            "D": _perceptron(networks.D, w, 1),
        }
    style = networks.encoder == "style"
    return beside | {
        "F": _perceptron(networks.F, z, w),
        "G": _generator(config, networks),
        "E": _encoder(config, networks) if style else _plain_encoder(config, networks, w),
        "D": _perceptron(networks.D, w, 1)
        if networks.discriminator == "latent"
        else _plain_encoder(config, networks, 1, spread=1),
    }


def batch_sizes(config: Config) -> list[tuple[int, int]]:
    """(images, numbers of each in the largest layer that it passes through) of the batches at each level of detail."""
    networks, (height, width, channels) = config.networks, config.image
    if isinstance(networks, MlpNetworks):
        hidden = [width for name in "FGED" for width in getattr(networks, name).hidden]
        return [(config.batch_size, max(height * width * channels, config.labels, networks.z, networks.w, *hidden))]
    levels = config.growth.levels if config.growth else ()
    widths = networks.widths(config.lods)
    return [
        (level.batch_size or config.batch_size, (4 * 2**lod) ** 2 * max(channels, widths[lod]))
        for lod, level in enumerate(levels)
    ]


def needs(config: Config, *, training: bool = False) -> dict[str, int]:
    """The bytes that a model takes at least, by what they are for; in training with what goes with its weights.

    Of an algorithm of one's own, whose networks are unknown here, only batches are counted.
    """
    size = 8 if config.dtype == "float64" else 4
    count = sum(weights(config).values())
    if not training:
        return {f"{count:,} weights": size * count}
    images, numbers = max(batch_sizes(config), key=prod)
    return {
        f"{count:,} weights, their averages and moments": _TRAINING * size * count,
        f"a batch of {images:,} images": size * images * numbers,
    }


def require_room(config: Config, *, training: bool = False) -> None:
    """Raise ConfigError where this machine's memory cannot hold what a model `needs`."""
    room, needed = memory(), needs(config, training=training)
    total = sum(needed.values())
    if room is not None and total > room:
        raise ConfigError(
            f"the configuration needs at least {amount(total)}, most of it for {max(needed, key=needed.__getitem__)}, "
            f"but this machine has {amount(room)} of memory: make networks, image or batch_size smaller"
        )


def memory() -> int | None:
    """The bytes of memory that this machine has, or allows the process; None where the system does not say."""
    try:
        there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None
    try:
        return min(there, int(Path("/sys/fs/cgroup/memory.max").read_text("ascii")))
    except (OSError, ValueError):  # no container, or one without a limit
        return there


def amount(size: int) -> str:
    """Bytes as a person says them: "640 MB", "1.9 GB"."""
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.1f} MB"


def _dense(inputs: int, outputs: int) -> int:
    return (inputs + 1) * outputs


def _perceptron(choice: Perceptron, inputs: int, outputs: int) -> int:
    widths = [inputs, *choice.hidden, outputs]
    return sum(map(_dense, widths, widths[1:]))


def _generator(config: Config, networks: StyleNetworks) -> int:
    widths = networks.widths(config.lods)
    to_rgb = sum(_dense(width, config.image[2]) for width in widths)
    # Noise, bias and style of each layer; the first has a constant in place of a convolution.
    styled = sum(2 * (2 * width + _dense(networks.w, 2 * width)) for width in widths)
    convolutions = 16 * widths[0] + sum(9 * width**2 for width in widths) + sum(map(_convolution, widths, widths[1:]))
    return to_rgb + styled + convolutions


def _encoder(config: Config, networks: StyleNetworks) -> int:
    return _from_rgb(config, networks) + sum(
        _convolution(above, above)
        + _convolution(above, below)
        + sum(n + _dense(2 * n, networks.w) for n in (above, below))
        for above, below in _blocks(config, networks)
    )


def _plain_encoder(config: Config, networks: StyleNetworks, outputs: int, spread: int = 0) -> int:
    *blocks, (above, below) = _blocks(config, networks)
    last = _convolution(above + spread, above) + above + _dense(16 * above, below)
    convolutions = sum(_convolution(n, n) + n + _convolution(n, m) + m for n, m in blocks)
    return _from_rgb(config, networks) + convolutions + last + _dense(below, outputs)


def _blocks(config: Config, networks: StyleNetworks) -> list[tuple[int, int]]:
    """Feature maps that each block of an encoder sees, and that it makes for the block below, finest first."""
    return [(networks.width(doublings), networks.width(doublings + 1)) for doublings in range(config.lods)]


def _from_rgb(config: Config, networks: StyleNetworks) -> int:
    return sum(_dense(config.image[2], width) for width in networks.widths(config.lods))


def _convolution(inputs: int, outputs: int) -> int:
    return 9 * inputs * outputs
