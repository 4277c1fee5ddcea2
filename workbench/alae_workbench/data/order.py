"""The order of training images: for each epoch another permutation.

It is the order of grain's `MapDataset.range(count).seed(seed).shuffle().repeat()`, with which runs began: a block
cipher is applied to a number of 2·W bits until the result is less than `count`. grain computes one image at a time:
30 µs in a data set of 1,500 images, a quarter of the CPU time of a run of `digits-mlp`.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

# Least bits of the numbers that the cipher permutes, and its rounds.
_BITS, _ROUNDS = 16, 4


def select_images(count: int, seed: int, positions: np.ndarray) -> np.ndarray:
    """Return the images at `positions` of the endless sequence of epochs, as numbers below `count`: int64.

    Args:
        count: images of the data set.
        seed: determines the order, 0 … 2**32 − 1.
        positions: positions in the sequence, from 0; its first `count` are the first epoch.
    """
    epochs, places = np.divmod(positions, count)
    found = np.empty(len(places), np.int64)
    first = _derive_seed(seed)
    for epoch in np.unique(epochs):
        chosen, key = epochs == epoch, (first + int(epoch)) % 2**32
        # All at once where most results of the cipher may be too large.
        if count <= 2**_BITS:
            found[chosen] = _permute_all(count, key)[places[chosen]]
        else:
            found[chosen] = _permute(places[chosen], count, key)
    return found


@lru_cache(maxsize=2)
def _permute_all(count: int, seed: int) -> np.ndarray:
    """Return the image at each place of an epoch."""
    # For each number, the first one below `count` that repeated encryption reaches: in jumps of 1, 2, 4, … encryptions.
    following = _encrypt(np.arange(2**_BITS), _BITS // 2, _make_keys(seed))
    numbers = np.arange(2**_BITS)
    reached = np.where(numbers < count, numbers, following)
    while (reached[following[:count]] >= count).any():
        reached = reached[reached]
    return reached[following[:count]]


def _permute(places: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Return the image at each of these places of an epoch."""
    # As grain does, although the largest number needs one bit more if it is a power of two: then two places of an epoch
    # have the same image.
    bits = max(_BITS, (count - 2).bit_length())
    width, keys = (bits + bits % 2) // 2, _make_keys(seed)
    found = _encrypt(places, width, keys)
    while (late := found >= count).any():
        found[late] = _encrypt(found[late], width, keys)
    return found


def _encrypt(numbers: np.ndarray, width: int, keys: Sequence[int]) -> np.ndarray:
    """Encrypt numbers of 2 · width bits with the rounds of the cipher Simon."""
    mask = 2**width - 1

    def rotate(words: np.ndarray, by: int) -> np.ndarray:
        return ((words << by) | (words >> (width - by))) & mask

    left, right = numbers >> width & mask, numbers & mask
    for key in keys:
        # Each round changes one half, and then the halves change places.
        left, right = right, left ^ (rotate(right, 1) & rotate(right, 8)) ^ rotate(right, 2) ^ (key & mask)
    return left << width | right


def _derive_seed(seed: int) -> int:
    # grain adds the distance from the shuffling to the data set with the seed.
    return int(np.random.SeedSequence([seed, 1]).generate_state(1)[0])


@lru_cache(maxsize=2)
def _make_keys(seed: int) -> list[int]:
    """Return the key of each round: four numbers of 32 bits, as C++ generates them by `std::seed_seq{seed}`."""
    keys = [0x8B8B8B8B] * _ROUNDS
    for k, added in enumerate([1, 1 + seed, 2, 3, 0, -1, -2, -3]):
        here, following, third = k % _ROUNDS, (k + 1) % _ROUNDS, (k + 2) % _ROUNDS
        if k < _ROUNDS:
            one = _scramble(keys[here] ^ keys[following] ^ keys[here - 1], 1664525)
            other = (one + added) % 2**32
            keys[following], keys[third] = (keys[following] + one) % 2**32, (keys[third] + other) % 2**32
        else:
            one = _scramble(keys[here] + keys[following] + keys[here - 1], 1566083941)
            other = (one + added) % 2**32
            keys[following], keys[third] = keys[following] ^ one, keys[third] ^ other
        keys[here] = other
    return keys


def _scramble(number: int, factor: int) -> int:
    number %= 2**32
    return (number ^ number >> 27) * factor % 2**32
