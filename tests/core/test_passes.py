"""The passes over a batch: which sizes divide it, and which are refused."""

import pytest

from alae_core import ArgumentError, ConfigError
from alae_core.passes import count_passes, find_smaller_microbatch, list_microbatches, require_microbatch
from tests.conftest import tiny_config, tiny_style_config

#: levels of 12 and 8 images, with a D that compares images in groups of 4
ON_IMAGES = {
    "networks__encoder": "plain",
    "networks__discriminator": "images",
    "growth__levels": [{"images": 12}, {"images": 24, "batch_size": 8}],
    "batch_size": 12,
}


def test_a_batch_that_is_not_larger_takes_one_pass():
    assert [count_passes(rows, 4) for rows in (1, 3, 4, 8, 12)] == [1, 1, 1, 2, 3]
    assert count_passes(10**9, None) == 1


def test_a_batch_of_other_images_is_refused():
    with pytest.raises(ArgumentError) as caught:
        count_passes(12, 5)
    assert str(caught.value) == "microbatch is 5, which does not divide a batch of 12: use 1, 2, 3, 4, 6 or 12"


@pytest.mark.parametrize(
    ("config", "sizes"),
    [
        (tiny_config(batch_size=1), [1]),
        (tiny_config(batch_size=12), [1, 2, 3, 4, 6, 12]),
        # Levels of 4 and 6 images.
        (tiny_style_config(), [1, 2, 6]),
        # A level of 4 images takes one pass.
        (tiny_style_config(batch_size=12), [1, 2, 4, 6, 12]),
        (tiny_style_config(**ON_IMAGES), [4, 12]),
    ],
)
def test_sizes_divide_the_batch_of_every_level(config, sizes):
    assert list_microbatches(config) == sizes
    for size in range(1, 20):
        if size in sizes or size > sizes[-1]:
            require_microbatch(config, size)
        else:
            with pytest.raises(ConfigError):
                require_microbatch(config, size)


def test_a_refusal_lists_the_possible_sizes():
    with pytest.raises(ConfigError) as caught:
        require_microbatch(tiny_style_config(), 4, "training.microbatch")
    expected = "training.microbatch is 4, which does not divide batches of 4 or 6 images: use 1, 2 or 6"
    assert str(caught.value) == expected
    with pytest.raises(ConfigError, match="into whole groups of 4, which D compares: use 4 or 12"):
        require_microbatch(tiny_style_config(**ON_IMAGES), 2)


def test_each_device_divides_its_part_of_a_batch():
    config = tiny_config(batch_size=12)
    for size in (1, 2, 3, 6, 7):
        require_microbatch(config, size, devices=2)
    with pytest.raises(ConfigError) as caught:
        require_microbatch(config, 4, devices=2)
    expected = "microbatch is 4, which does not divide batches of 6 images on each device: use 1, 2, 3 or 6"
    assert str(caught.value) == expected


def test_huge_batches_are_checked_at_once():
    assert list_microbatches(tiny_config(batch_size=10**12))[-2:] == [5 * 10**11, 10**12]


def test_a_smaller_size_is_at_most_half_of_a_pass():
    config = tiny_config(batch_size=12)
    assert [find_smaller_microbatch(config, rows) for rows in (12, 6, 4, 3, 2, 1)] == [6, 3, 2, 1, 1, None]
    assert find_smaller_microbatch(tiny_style_config(**ON_IMAGES), 4) is None
