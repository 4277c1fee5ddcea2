"""The order of training images, their sizes, and parts of batches."""

from itertools import islice

import numpy as np
import pytest

from alae_core import ArgumentError
from alae_core.config import make_config
from alae_core.images import to_float
from alae_core.shares import Share
from alae_workbench.data.batches import batches
from alae_workbench.data.derived import Subset
from alae_workbench.data.memory import Arrays
from tests.conftest import TINY_STYLE, tiny_config, tiny_style_config

LABELLED = Arrays(np.arange(50, dtype=np.uint8).reshape(50, 1, 1, 1), np.arange(50))


def read_order(count, seed=0, start=0, size=8):
    config = tiny_config(seed=seed, batch_size=size, labels=50)
    found = batches(LABELLED, config, steps=1000, start=start, put=lambda images, labels: (images.ravel(), labels))
    pairs = list(islice(found, count))
    assert all(np.array_equal(pixels, labels) for pixels, labels in pairs), "labels do not match their images"
    return np.stack([labels for _, labels in pairs])


def read_batches(source, config, **choices):
    """Return the batches of seven steps: for the tiny style model three of its first level, four of its second."""
    return list(batches(source, config, put=lambda images, labels: images, **{"steps": 7} | choices))


def test_each_epoch_is_another_permutation():
    epochs = read_order(25, size=10).reshape(5, 50)
    assert all(sorted(epoch) == list(range(50)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 5


def test_batches_can_start_at_any_step():
    straight = read_order(30)
    for start in (0, 1, 7, 29):
        assert np.array_equal(read_order(30 - start, start=start), straight[start:])


def test_the_seed_determines_the_order():
    assert np.array_equal(read_order(5, seed=1), read_order(5, seed=1))
    assert not np.array_equal(read_order(5, seed=1), read_order(5, seed=2))


def test_the_order_is_frozen():
    """If a library changed its shuffling, seeds would give different runs, and resumed runs would repeat images."""
    assert read_order(2, seed=0, size=7).tolist() == [[18, 28, 49, 8, 21, 15, 10], [13, 29, 37, 30, 26, 2, 39]]
    assert read_order(1, seed=0, size=7, start=20).tolist() == [[27, 34, 36, 8, 48, 31, 4]]
    assert read_order(1, seed=2**63 - 1, size=7).tolist() == [[34, 48, 13, 38, 2, 17, 19]]


def test_a_run_ends_with_its_last_step():
    assert len(read_batches(LABELLED, tiny_config(), steps=3)) == 3
    assert len(read_batches(LABELLED, tiny_config(), steps=3, start=2)) == 1


def test_models_without_labels_get_none():
    found = batches(LABELLED, tiny_config(), steps=1, put=lambda images, labels: [labels])
    assert list(found) == [[None]]


def make_numbered_images(count=20):
    """Make images (8, 8, 2): the first channel is their number, the second is white on the left, black on the right."""
    pixels = np.zeros((count, 8, 8, 2), np.uint8)
    pixels[..., 0] = np.arange(count)[:, None, None]
    pixels[:, :, :4, 1] = 255
    return Arrays(pixels)


def test_each_level_has_its_own_batch_size_and_image_size():
    found = read_batches(make_numbered_images(), tiny_style_config())
    assert [batch.shape for batch in found] == [(4, 4, 4, 2)] * 3 + [(6, 8, 8, 2)] * 4
    assert [batch.dtype for batch in found] == [np.float32] * 3 + [np.uint8] * 4
    floats = [to_float(batch) if batch.dtype == np.uint8 else batch for batch in found]
    numbers = [np.rint((batch[:, 0, 0, 0] + 1) * 127.5).astype(int).tolist() for batch in floats]
    # Epochs continue across batches of different sizes; the order is frozen as above.
    assert sorted(np.concatenate(numbers)[:20]) == list(range(20))
    assert numbers[0] == [18, 4, 0, 8]
    assert numbers[3] == [2, 19, 9, 16, 6, 14]
    later = read_batches(make_numbered_images(), tiny_style_config(), start=3)
    assert all(np.array_equal(one, other) for one, other in zip(later, found[3:], strict=True))


def test_a_batch_is_read_at_the_size_of_its_level():
    found = read_batches(make_numbered_images(), tiny_style_config())
    assert [batch.nbytes for batch in found] == [4 * 4 * 4 * 2 * 4] * 3 + [6 * 8 * 8 * 2] * 4


def test_a_subset_is_sampled_like_any_source():
    part = Subset(LABELLED, slice(40, 50))
    found = np.concatenate(read_batches(part, tiny_config(batch_size=5), steps=2)).ravel()
    assert sorted(found) == list(range(40, 50))


def test_mirroring_selects_about_half_of_the_images_reproducibly():
    source, config = make_numbered_images(), tiny_style_config()
    found, again = (read_batches(source, config, mirror=True, steps=50) for _ in range(2))
    assert all(np.array_equal(one, other) for one, other in zip(found, again, strict=True))
    resumed = read_batches(source, config, mirror=True, steps=50, start=20)
    assert all(np.array_equal(one, other) for one, other in zip(resumed, found[20:], strict=True))
    turned = [batch[:, 0, 0, 1] == batch.min() for batch in found]
    assert 0.35 < np.concatenate(turned).mean() < 0.65
    # Frozen like the order, at a level of floats and at a level of bytes.
    assert (turned[0].astype(int).tolist(), turned[3].astype(int).tolist()) == ([1, 0, 0, 1], [0, 0, 1, 0, 0, 1])
    for batch, plain, mirrored in zip(found, read_batches(source, config, steps=50), turned, strict=True):
        assert batch.dtype == plain.dtype
        assert np.array_equal(batch, np.where(mirrored[:, None, None, None], plain[:, :, ::-1], plain))
    assert np.array_equal(source.pixels, make_numbered_images().pixels), "mirroring changed the source"


# ---- parts of a batch, for several devices --------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2])
def test_parts_of_a_batch_form_the_batch_and_read_only_their_images(count):
    read = []

    class CountedReads(Arrays):
        def images(self, indices, size=None):
            read.append(len(indices))
            return super().images(indices, size)

    source, config = CountedReads(make_numbered_images().pixels), tiny_style_config()
    whole = read_batches(source, config, mirror=True, start=1)
    read.clear()
    parts = [read_batches(source, config, mirror=True, start=1, share=Share(k, count)) for k in range(count)]
    assert read == [4 // count] * 2 + [6 // count] * 4 + ([4 // count] * 2 + [6 // count] * 4) * (count - 1)
    for batch, *mine in zip(whole, *parts, strict=True):
        assert np.array_equal(np.concatenate(mine), batch)


def test_parts_have_their_own_labels():
    config = tiny_config(labels=50)
    found = batches(LABELLED, config, steps=4, share=Share(1, 3), put=lambda images, labels: (images.ravel(), labels))
    for (pixels, labels), whole in zip(found, read_order(4, size=config.batch_size), strict=True):
        assert np.array_equal(pixels, labels)
        assert np.array_equal(labels, whole[2:4])


def test_separate_parts_for_a_discriminator_on_images_hold_whole_groups():
    """Images 2, 5, 8 and 11 of a batch of 12 form a group, and so they do in the last part of three."""
    levels = {"growth.levels.0.batch_size": 12, "growth.levels.0.images": 36, "batch_size": 12}
    config = make_config(TINY_STYLE, {"networks.discriminator": "images", **levels})
    whole = read_batches(make_numbered_images(), config, start=3)
    parts = [read_batches(make_numbered_images(), config, start=3, share=Share(k, 3, True)) for k in range(3)]
    for batch, *mine in zip(whole, *parts, strict=True):
        for k, part in enumerate(mine):
            assert np.array_equal(part, batch[k::3])


@pytest.mark.parametrize(
    ("share", "message"),
    [
        (Share(0, 4), "share is 4, but a batch of 6 does not divide into 4 equal parts: set the batch size to 4 or 8"),
        (Share(2, 2), "share is part 2 of 2; parts count from 0"),
        (Share(0, 0), "parts count from 0"),
        (Share(-1, 2), "parts count from 0"),
    ],
)
def test_invalid_parts_are_refused(share, message):
    with pytest.raises(ArgumentError, match=message):
        batches(LABELLED, tiny_style_config(), steps=1, share=share, put=lambda images, labels: images)
