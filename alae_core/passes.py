"""The passes over which a training step computes each update, so that a large batch needs less memory."""

from collections.abc import Iterable
from math import isqrt

from alae_core.config import Config
from alae_core.errors import ArgumentError, ConfigError
from alae_core.networks.style_layout import COMPARED, count_compared
from alae_core.sizes import list_batch_sizes


def count_passes(rows: int, microbatch: int | None) -> int:
    """Return the number of passes over a batch of `rows` images; 1 if `microbatch` is None or not smaller.

    Raises ArgumentError if passes of `microbatch` images do not divide the batch.
    """
    if microbatch is None or rows <= microbatch:
        return 1
    if rows % microbatch:
        raise ArgumentError(
            "microbatch", f"is {microbatch}, which does not divide a batch of {rows}: use {_join(_divisors(rows))}"
        )
    return rows // microbatch


def list_microbatches(config: Config) -> list[int]:
    """Return each microbatch with which training gives the result of one pass, up to the largest batch, ascending.

    It divides the batches of all levels that are larger. A D on images compares the images of a batch in groups, which
    must not be divided.
    """
    return _list_divisors(config, list_batch_sizes(config))


def require_microbatch(config: Config, microbatch: int | None, name: str = "microbatch", devices: int = 1) -> None:
    """Raise ConfigError, with this name of the setting, unless `microbatch` is None, allowed, or above all batches.

    Each of several devices divides its part of a batch.
    """
    sizes = [max(1, size // devices) for size in list_batch_sizes(config)]
    if microbatch is None or _divides(config, sizes, microbatch):
        return
    groups = f" into whole groups of {COMPARED}, which D compares" if count_compared(config) > 1 else ""
    raise ConfigError(
        f"{name} is {microbatch}, which does not divide batches of {_join(sizes)} images"
        f"{' on each device' if devices > 1 else ''}{groups}: use {_join(_list_divisors(config, sizes))}"
    )


def find_smaller_microbatch(config: Config, rows: int) -> int | None:
    """Return the largest microbatch of at most half of `rows` images; None if there is none."""
    return max((part for part in list_microbatches(config) if part <= rows // 2), default=None)


def _list_divisors(config: Config, sizes: list[int]) -> list[int]:
    return [part for part in sorted(set().union(*map(_divisors, sizes))) if _divides(config, sizes, part)]


def _divides(config: Config, sizes: Iterable[int], part: int) -> bool:
    return all(size <= part or (size % part == 0 and part % count_compared(config) == 0) for size in sizes)


def _divisors(number: int) -> list[int]:
    small = [part for part in range(1, isqrt(number) + 1) if number % part == 0]
    return sorted({*small, *(number // part for part in small)})


def _join(sizes: Iterable[int]) -> str:
    *most, last = map(str, sizes)
    return f"{', '.join(most)} or {last}" if most else last
