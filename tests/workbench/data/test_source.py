"""Images of a source at smaller sizes, fingerprints, and reprs."""

import tracemalloc

import numpy as np
import pytest

from alae_core import AlaeError
from alae_core.images import pooled, to_float
from alae_workbench.data.derived import Subset, add_margin, take_first
from alae_workbench.data.memory import Arrays
from alae_workbench.data.source import DataError, DataSet, read_all
from tests.helpers.data import grey_images, random_pixels
from tests.tolerances import POOLED


def pool_by_halves(floats, size):
    """Average 2×2 pixels in float32 repeatedly, as pooling on the device did."""
    while floats.shape[1] > size:
        floats = (floats[:, ::2, ::2] + floats[:, ::2, 1::2] + floats[:, 1::2, ::2] + floats[:, 1::2, 1::2]) / 4
    return floats


@pytest.mark.parametrize("size", [4, 64, 128, 256])
def test_images_at_a_smaller_size_equal_repeated_pooling_of_floats(size):
    images = random_pixels(3, 256)
    found = Arrays(images).images(np.array([2, 0]), size)
    assert (found.dtype, found.shape) == (np.uint8 if size == 256 else np.float32, (2, size, size, 3))
    floats = found if size < 256 else to_float(found)
    np.testing.assert_allclose(floats, pool_by_halves(to_float(images[[2, 0]]), size), **POOLED)


def test_images_at_a_smaller_size_are_not_rounded_to_grey_levels():
    """The mean of a block of 0, 0, 0, 1 is a quarter of a grey level, which no byte can hold."""
    pixels = np.zeros((1, 8, 8, 1), np.uint8)
    pixels[:, 1::2, 1::2] = 1
    np.testing.assert_allclose(read_all(Arrays(pixels), 4), 0.25 / 127.5 - 1, **POOLED)


@pytest.mark.parametrize("margin", [0, 4])
def test_pooling_reads_a_few_images_at_a_time(margin):
    pixels = random_pixels(32, 256 - 2 * margin)
    source = add_margin(Arrays(pixels), margin)
    tracemalloc.start()
    try:
        found = read_all(source, 4)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found.nbytes == 32 * 4 * 4 * 3 * 4
    assert peak < 3e6 < pixels.nbytes / 1.9


@pytest.mark.parametrize(
    ("shape", "size", "reason"),
    [
        ((8, 8), 16, "images of 8×8 cannot be reduced to 16×16"),
        ((8, 8), 3, "images of 8×8 cannot be reduced to 3×3"),
        ((12, 12), 4, "images of 12×12 cannot be reduced to 4×4"),
        ((8, 8), 0, "images of 8×8 cannot be reduced to 0×0"),
        ((8, 4), 4, "images of 8×4 cannot be reduced to 4×4"),
        ((4, 8), 4, "images of 4×8 cannot be reduced to 4×4"),
    ],
)
@pytest.mark.parametrize("count", [0, 3])
def test_unavailable_sizes_are_refused(shape, size, reason, count):
    pixels = np.zeros((count, *shape, 1), np.uint8)
    for source in (Arrays(pixels), Subset(Arrays(pixels), slice(2)), add_margin(Arrays(pixels[:, 1:-1, 1:-1]), 1)):
        with pytest.raises(DataError, match=f"size is {size}, but {reason}: they must be square"):
            read_all(source, size)
    with pytest.raises(AlaeError, match=reason):
        pooled(pixels, size)


def test_a_fingerprint_changes_with_a_pixel_a_label_or_the_order():
    pixels, labels = grey_images(4), np.arange(4)

    def change(array, at, value):
        array = array.copy()
        array[at] = value
        return array

    source, order = Arrays(pixels, labels), [1, 0, 2, 3]
    others = [
        Arrays(change(pixels, (3, 7, 7), pixels[3, 7, 7] ^ 1), labels),
        Arrays(pixels, change(labels, 3, 0)),
        Arrays(pixels[order], labels[order]),
        Arrays(pixels, labels[order]),
        Arrays(pixels),
        Arrays(pixels, np.stack([labels, labels], 1)),
        Arrays(pixels.reshape(4, 4, 16), labels),
        add_margin(source, 1),
        add_margin(source, 2),
        Subset(source, np.array([0, 1])),
        Subset(source, np.array([1, 0])),
        Subset(source, np.array([0, 2])),
        Subset(Arrays(pixels), np.array([0, 1])),
    ]
    sets = [DataSet(source, others[0]), DataSet(others[0], source), DataSet(source, source)]
    found = {each.fingerprint for each in [source, *others, *sets]}
    assert len(found) == 1 + len(others) + len(sets)
    assert all(len(bytes.fromhex(each)) == 32 for each in found)


def test_the_repr_of_a_source_is_one_line():
    source = Arrays(np.zeros((2000, 8, 8), np.uint8), np.arange(2000) % 10)
    assert repr(source) == "<2,000 images of 8×8×1, 10 classes>"
    assert repr(add_margin(take_first(source, 3), 2)) == "<3 images of 12×12×1, 3 classes>"
    assert repr(Arrays(grey_images(2), np.eye(2, 5))) == "<2 images of 8×8×1, 5 attributes each>"
    assert repr(DataSet(Arrays(grey_images(2)), Arrays(grey_images(1)))) == (
        "DataSet(train=<2 images of 8×8×1>, held_out=<1 image of 8×8×1>, skipped=0)"
    )
