"""The order of training images, compared with grain's, which computes it one image at a time."""

import grain
import numpy as np
import pytest

from alae_workbench.data.order import select_images

# Around the sizes at which the cipher permutes more numbers, and one where two places have the same image.
SIZES = [1, 2, 3, 50, 1437, 2**14 + 1, 2**16 - 1, 2**16, 2**16 + 1, 2**16 + 2, 200_000, 2**18 + 1, 2**18 + 2, 10**9]


@pytest.mark.parametrize("count", SIZES)
@pytest.mark.parametrize("seed", [0, 2**32 - 1])
def test_the_order_is_that_of_grain(count, seed):
    random = np.random.default_rng(count)
    ends = np.arange(3 * count - 2, 3 * count + 2)
    positions = np.concatenate([random.integers(0, 5 * count, 40), ends])
    sequence = grain.MapDataset.range(count).seed(seed).shuffle().repeat()
    assert select_images(count, seed, positions).tolist() == [sequence[int(i)] for i in positions]


def test_an_epoch_has_each_image_once():
    for count in (5, 1437, 70_000):
        assert np.array_equal(np.sort(select_images(count, 1, count + np.arange(count))), np.arange(count))
