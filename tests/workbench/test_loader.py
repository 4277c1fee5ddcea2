"""The training order: every epoch a permutation, decided by the seed, entered at any step."""

from itertools import islice

import numpy as np

from alae_workbench.data.images import Images, to_uint8
from alae_workbench.data.loader import batches

IMAGES = Images(np.arange(50, dtype=np.uint8).reshape(50, 1, 1, 1), np.arange(50))


def order(count, seed=0, start=0, size=8):
    found = batches(IMAGES, size, seed=seed, start=start, put=lambda images, labels: (to_uint8(images).ravel(), labels))
    pairs = list(islice(found, count))
    assert all(np.array_equal(pixels, labels) for pixels, labels in pairs), "labels stay with their images"
    return np.stack([labels for _, labels in pairs])


def test_every_epoch_shows_each_image_once_in_another_order():
    seen = order(25, size=10).reshape(5, 50)
    assert all(sorted(epoch) == list(range(50)) for epoch in seen)
    assert len({tuple(epoch) for epoch in seen}) == 5


def test_any_step_can_be_entered():
    straight = order(30)
    for start in (0, 1, 7, 29):
        assert np.array_equal(order(30 - start, start=start), straight[start:])


def test_the_seed_decides():
    assert np.array_equal(order(5, seed=1), order(5, seed=1))
    assert not np.array_equal(order(5, seed=1), order(5, seed=2))
