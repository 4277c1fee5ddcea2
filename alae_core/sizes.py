"""Lower bounds of the memory that a configuration needs, so that an oversized one is refused before anything is built.

Activations, gradients and copies are not counted.
"""

import os
from math import prod
from pathlib import Path

from alae_core.config import Config
from alae_core.errors import ConfigError
from alae_core.groups import ConvNetworks, MlpNetworks, StyleNetworks
from alae_core.networks.layout import network_layout, network_shapes

#: arrays that training holds for each weight: the weight, its running average and Adam's two moments
_TRAINING_ARRAYS = 4


def count_weights(config: Config) -> dict[str, int]:
    """Return the number of weights of each network by name, for those that `network_shapes` lists."""
    return {
        name: sum(spec.size for spec in network_layout(config, shape).values())
        for name, shape in network_shapes(config).items()
    }


def largest_layers(config: Config) -> list[int]:
    """Return the number of values per image in the largest layer of each level; one number for networks without levels.

    Of the layers of families in plug-ins only the images are known.
    """
    networks, (height, width, channels) = config.networks, config.image
    pixels = height * width * channels
    if isinstance(networks, MlpNetworks):
        hidden = [width for name in "FGED" for width in getattr(networks, name).hidden]
        return [max(pixels, config.labels, networks.z, networks.w, *hidden)]
    if isinstance(networks, ConvNetworks):
        return [max(pixels, *(height * width * count // 4**i for i, count in enumerate(reversed(networks.widths))))]
    if not isinstance(networks, StyleNetworks):
        return [pixels]
    widths = networks.widths(config.lods)
    return [max((4 * 2**lod) ** 2 * max(channels, count), config.labels) for lod, count in enumerate(widths)]


def batch_sizes(config: Config) -> list[tuple[int, int]]:
    """Return, for each level that is trained, the images per batch and the values of `largest_layers`."""
    layers = largest_layers(config)
    if config.growth is None:
        return [(config.batch_size, layers[0])]
    sizes = [level.batch_size or config.batch_size for level in config.growth.levels]
    return [*zip(sizes, layers, strict=True)][config.growth.from_level :]


def list_batch_sizes(config: Config) -> list[int]:
    """Return the images per batch of all levels, ascending, each number once."""
    return sorted({images for images, _ in batch_sizes(config)})


def estimate_memory(config: Config, *, training: bool = False, microbatch: int | None = None) -> dict[str, int]:
    """Return the minimum bytes that a model needs, by use; in training also for averages, moments and a batch.

    Of a batch larger than `microbatch`, only one pass is counted.

    Networks that `count_weights` leaves out are not counted.
    """
    size = 8 if config.dtype == "float64" else 4
    count = sum(count_weights(config).values())
    if not training:
        return {f"{count:,} weights": size * count}
    sizes = [(min(images, microbatch or images), numbers) for images, numbers in batch_sizes(config)]
    images, numbers = max(sizes, key=prod)
    return {
        f"{count:,} weights, their averages and moments": _TRAINING_ARRAYS * size * count,
        f"a batch of {images:,} images": size * images * numbers,
    }


def require_room(config: Config, *, training: bool = False, microbatch: int | None = None) -> None:
    """Raise ConfigError if a model needs more memory than this machine has (`estimate_memory`, `find_memory`)."""
    room, needed = find_memory(), estimate_memory(config, training=training, microbatch=microbatch)
    total = sum(needed.values())
    if room is not None and total > room:
        largest = max(needed, key=needed.__getitem__)
        raise ConfigError(
            f"the configuration needs at least {format_bytes(total)}, most of it for {largest}, but this machine has "
            f"{format_bytes(room)} of memory: make networks, image or batch_size smaller, or set training.microbatch"
        )


def find_memory() -> int | None:
    """Return the bytes of memory that this machine has or its container may use; None if unknown."""
    try:
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None
    try:
        return min(total, int(Path("/sys/fs/cgroup/memory.max").read_text("ascii")))
    except (OSError, ValueError):  # not a container, or one without a limit
        return total


def format_bytes(size: int) -> str:
    """Format bytes in a suitable unit, such as "640.0 MB" or "1.9 GB"."""
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.1f} MB"
