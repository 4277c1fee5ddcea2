"""The training order: every epoch a permutation, decided by the seed, entered at any step."""

from itertools import islice

import numpy as np

from alae_workbench.data.images import Images, to_uint8
from alae_workbench.data.loader import batches
from tests.conftest import tiny_config, tiny_style_config

IMAGES = Images(np.arange(50, dtype=np.uint8).reshape(50, 1, 1, 1), np.arange(50))


def order(count, seed=0, start=0, size=8):
    config = tiny_config(training__seed=seed, training__batch_size=size, training__steps=1000)
    found = batches(IMAGES, config, start=start, put=lambda images, labels: (to_uint8(images).ravel(), labels))
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


def test_each_level_takes_as_many_images_as_it_says():
    config = tiny_style_config(training__mirror=False)
    images = Images(np.zeros((20, 8, 8, 2), np.uint8), np.arange(20))
    seen = list(batches(images, config, put=lambda images, labels: labels))
    assert [len(labels) for labels in seen] == [4, 4, 4, 6, 6, 6, 6]
    # One row of epochs, whatever the sizes of the batches.
    assert sorted(np.concatenate(seen)[:20]) == list(range(20))
    later = list(batches(images, config, start=3, put=lambda images, labels: labels))
    assert all(np.array_equal(one, other) for one, other in zip(later, seen[3:], strict=True))


def test_mirroring_turns_about_half_of_the_images_and_always_the_same():
    config = tiny_style_config(training__mirror=True, training__steps=50)
    pixels = np.zeros((20, 8, 8, 2), np.uint8)
    pixels[:, :, 0] = 255
    seen = [list(batches(Images(pixels), config, put=lambda images, labels: images)) for _ in range(2)]
    turned = np.concatenate([batch[:, 0, 0, 0] < 0 for batch in seen[0]])
    assert 0.35 < turned.mean() < 0.65
    assert all(np.array_equal(one, other) for one, other in zip(*seen, strict=True))
