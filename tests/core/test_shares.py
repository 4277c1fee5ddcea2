"""Parts of a batch: their rows, and the batches that do not divide."""

import numpy as np
import pytest

from alae_core import ArgumentError
from alae_core.config import make_config
from alae_core.shares import WHOLE, Share, require_division, select_rows
from tests.conftest import TINY_STYLE, tiny_config


def style_config(discriminator, batch_size):
    settings = {"networks.discriminator": discriminator, "growth.levels.0.batch_size": 4, "batch_size": batch_size}
    return make_config(TINY_STYLE, settings)


@pytest.mark.parametrize("is_separate", [False, True])
@pytest.mark.parametrize("parts", [1, 2, 3])
def test_parts_are_contiguous(parts, is_separate):
    found = [select_rows(tiny_config(), 12, Share(part, parts, is_separate)) for part in range(parts)]
    assert np.array_equal(np.concatenate(found), np.arange(12))
    assert len({len(each) for each in found}) == 1


def test_the_whole_batch_is_one_part():
    assert np.array_equal(select_rows(tiny_config(), 7, WHOLE), np.arange(7))


def test_separate_parts_for_a_discriminator_on_images_keep_its_groups():
    """D compares images that are a quarter of its batch apart: i, i + 4, i + 8 and i + 12 of a batch of 16."""
    config = style_config("images", 16)
    groups = {tuple(range(i, 16, 4)) for i in range(4)}
    found = set()
    for part in range(2):
        rows = select_rows(config, 16, Share(part, 2, True))
        found |= {tuple(rows[i::2].tolist()) for i in range(2)}
    assert found == groups
    # Parts of one array need no order of their own.
    assert select_rows(config, 16, Share(1, 2)).tolist() == list(range(8, 16))


@pytest.mark.parametrize(
    ("config", "parts", "message"),
    [
        (tiny_config(batch_size=32), 3, "devices is 3, but a batch of 32 .* set the batch size to 30 or 33$"),
        (tiny_config(batch_size=2), 4, "set the batch size to 4$"),
        (
            style_config("latent", 6),
            4,
            "a batch of 6 does not divide into 4 equal parts: set the batch size to 4 or 8$",
        ),
        (style_config("images", 12), 2, "a batch of 4 .* of whole groups of 4 images, which D compares: .* to 8$"),
    ],
)
def test_a_batch_that_does_not_divide_is_refused_with_sizes_that_do(config, parts, message):
    with pytest.raises(ArgumentError, match=message):
        require_division(config, parts)


def test_batches_that_divide_are_allowed():
    require_division(tiny_config(batch_size=5), 1)
    require_division(style_config("latent", 6), 2)
    require_division(style_config("images", 5), 1)
