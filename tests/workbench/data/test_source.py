"""Sources in memory and what is made of them: smaller sizes, parts, margins, labels, fingerprints."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from alae_core import AlaeError, load_config
from alae_core.images import pooled, to_float, to_uint8
from alae_workbench.data.derived import Subset, add_margin, take_first
from alae_workbench.data.labels import select_labels
from alae_workbench.data.load import load_data, load_images
from alae_workbench.data.memory import Arrays
from alae_workbench.data.source import DataError, DataSet, read_all
from tests.tolerances import FLOAT32, POOLED


def config(**overrides):
    return load_config("digits-mlp", overrides=overrides)


def grey(count, size=8):
    return np.random.default_rng(0).integers(0, 256, (count, size, size), np.uint8)


def test_float_images_are_bytes_over_127_5_minus_1():
    levels = np.arange(256, dtype=np.uint8)
    floats = to_float(levels)
    assert floats.dtype == np.float32
    assert (floats[0], floats[-1]) == (-1, 1)
    assert np.array_equal(to_uint8(floats), levels)
    assert list(to_uint8(np.array([-7.0, 7.0]))) == [0, 255]


def random_bytes(count, size, channels=3, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, size, size, channels), np.uint8)


def block_means(images, size):
    """The closed form, in float64."""
    count, height, _, channels = images.shape
    block = height // size
    return images.astype(np.float64).reshape(count, size, block, size, block, channels).mean((2, 4))


def pooled_by_halves(floats, size):
    """What the device did: float32 images whose 2×2 pixels become their mean, again and again."""
    while floats.shape[1] > size:
        floats = (floats[:, ::2, ::2] + floats[:, ::2, 1::2] + floats[:, 1::2, ::2] + floats[:, 1::2, 1::2]) / 4
    return floats


@given(st.integers(0, 3), st.integers(0, 5), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_bytes_are_pooled_to_the_exact_mean_of_their_blocks(count, halvings, channels, seed):
    images = random_bytes(count, 3 * 2**halvings, channels, seed)
    found = pooled(images, 3)
    assert found.dtype == (np.float32 if halvings else np.uint8)
    assert np.array_equal(found, block_means(images, 3))


@pytest.mark.parametrize("block", [16, 32, 256])
def test_the_largest_sums_are_exact(block):
    """White blocks but for one pixel: their sums need all bits of the integers they are made in, and of float32."""
    white = np.full((1, 2 * block, 2 * block, 2), 255, np.uint8)
    white[0, 0, 0, 0] = 254
    expected = block_means(white, 2)
    assert expected[0, 0, 0, 0] == 255 - 1 / block**2
    assert np.array_equal(pooled(white, 2), expected)


def test_floats_are_pooled_in_their_own_range():
    floats = np.random.default_rng(0).uniform(-1, 1, (2, 16, 16, 3)).astype(np.float32)
    found = pooled(floats, 4)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, block_means(floats, 4), **FLOAT32)


@pytest.mark.parametrize("size", [4, 64, 128, 256])
def test_a_level_sees_what_pooling_floats_on_the_device_gave(size):
    images = random_bytes(3, 256)
    found = Arrays(images).images(np.array([2, 0]), size)
    assert (found.dtype, found.shape) == (np.uint8 if size == 256 else np.float32, (2, size, size, 3))
    floats = found if size < 256 else to_float(found)
    np.testing.assert_allclose(floats, pooled_by_halves(to_float(images[[2, 0]]), size), **POOLED)


def test_a_level_is_not_rounded_to_grey_levels():
    """A block of 0, 0, 0, 1: its mean is a quarter of a grey level above black, which no byte holds."""
    pixels = np.zeros((1, 8, 8, 1), np.uint8)
    pixels[:, 1::2, 1::2] = 1
    np.testing.assert_allclose(read_all(Arrays(pixels), 4), 0.25 / 127.5 - 1, **POOLED)


@pytest.mark.parametrize("margin", [0, 4])
def test_images_are_read_a_few_at_a_time_and_moved_at_the_size_of_their_level(margin):
    pixels = random_bytes(32, 256 - 2 * margin)
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
def test_sizes_that_images_do_not_have_are_refused(shape, size, reason, count):
    pixels = np.zeros((count, *shape, 1), np.uint8)
    for source in (Arrays(pixels), Subset(Arrays(pixels), slice(2)), add_margin(Arrays(pixels[:, 1:-1, 1:-1]), 1)):
        with pytest.raises(DataError, match=f"size is {size}, but {reason}: they must be square"):
            read_all(source, size)
    with pytest.raises(AlaeError, match=reason):
        pooled(pixels, size)


def test_a_margin_is_black_and_belongs_to_the_image(tmp_path):
    pixels = random_bytes(5, 6, 1, seed=1)
    source = add_margin(Arrays(pixels, np.arange(5)), 1)
    expected = np.pad(pixels, ((0, 0), (1, 1), (1, 1), (0, 0)))
    assert (len(source), source.shape, source.labels.tolist()) == (5, (8, 8, 1), [0, 1, 2, 3, 4])
    assert np.array_equal(read_all(source), expected)
    assert np.array_equal(read_all(source, 4), to_float(block_means(expected, 4)))
    np.savez(tmp_path / "mine.npz", images=pixels)
    data = load_data(str(tmp_path / "mine.npz"), config(), margin=1, held_out=2)
    assert np.array_equal(read_all(data.train), expected[data.train.indices])
    Image.fromarray(np.full((30, 30), 255, np.uint8)).save(tmp_path / "white.png")
    white = read_all(load_images(str(tmp_path / "white.png"), config(), margin=1))
    assert np.array_equal(white, np.pad(np.full((1, 6, 6, 1), 255), ((0, 0), (1, 1), (1, 1), (0, 0))))
    with pytest.raises(DataError, match="are 10×10×1 with the margin of 2, but the configuration says 8×8×1"):
        load_data(str(tmp_path / "mine.npz"), config(), margin=2, held_out=2)


def test_a_part_has_its_images_and_labels_in_its_own_order():
    pixels, labels = random_bytes(5, 8), np.arange(5)
    part = Subset(Arrays(pixels, labels), np.array([4, 0, 2]))
    assert (len(part), part.shape, part.labels.tolist()) == (3, (8, 8, 3), [4, 0, 2])
    assert np.array_equal(read_all(part), pixels[[4, 0, 2]])
    assert np.array_equal(part.images(np.array([2, 2, 0]), 4), to_float(block_means(pixels[[2, 2, 4]], 4)))
    assert Subset(Arrays(pixels), slice(2)).labels is None


def test_a_part_of_a_part_is_a_part_of_the_whole():
    whole = Arrays(random_bytes(5, 8), np.arange(5))
    inner = Subset(Subset(whole, np.array([4, 0, 2, 1])), slice(1, 3))
    assert inner.labels.tolist() == [0, 2]
    assert np.array_equal(read_all(inner), whole.pixels[[0, 2]])
    assert inner.fingerprint == Subset(whole, np.array([0, 2])).fingerprint
    assert [len(take_first(inner, count)) for count in (0, 1, 9)] == [0, 1, 2]
    assert take_first(inner, 1).labels.tolist() == [0]


def test_labels_go_to_models_that_take_them():
    source = Arrays(grey(5), np.arange(5))
    assert select_labels(source, np.array([3, 1]), config(labels=5)).tolist() == [3, 1]
    assert select_labels(source, slice(2), config(labels=5)).tolist() == [0, 1]
    assert select_labels(source, np.array([3, 1]), config()) is None
    assert select_labels(Arrays(grey(5)), np.array([3, 1]), config()) is None


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (np.array([3.0, 1.0], np.float32), np.array([3, 1])),
        (np.array([[3], [1]], np.uint8), np.array([3, 1])),
        (np.array([True, False]), np.array([1, 0])),
        (np.array([[1, -1, 1], [0, 1, 1]], np.int8), np.array([[1, -1, 1], [0, 1, 1]])),
        (np.array([[0.5, 1], [0, 1]]), np.array([[0.5, 1], [0, 1]])),
    ],
)
def test_labels_are_class_numbers_or_attributes(given, kept):
    found = Arrays(grey(2), given).labels
    assert found.dtype == kept.dtype
    assert np.array_equal(found, kept)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.array([0.5, 1.0]), "labels must be class numbers, whole ones, but one is 0.5"),
        (np.array([np.inf, 1.0]), "labels must be class numbers, whole ones, but one is inf"),
        (np.zeros((2, 2, 2)), r"labels must be class numbers .*, but are float64 of shape \(2, 2, 2\)"),
        (np.array(["cat", "dog"]), "labels must be class numbers .*, but are <U3"),
        (np.zeros((3, 2)), "there are 2 images, but 3 labels"),
    ],
)
def test_other_labels_are_refused(labels, message):
    with pytest.raises(DataError, match=message):
        Arrays(grey(2), labels)


def test_a_fingerprint_is_another_for_one_pixel_one_label_or_another_order():
    pixels, labels = grey(4), np.arange(4)

    def changed(array, at, value):
        array = array.copy()
        array[at] = value
        return array

    source, order = Arrays(pixels, labels), [1, 0, 2, 3]
    others = [
        Arrays(changed(pixels, (3, 7, 7), pixels[3, 7, 7] ^ 1), labels),
        Arrays(pixels, changed(labels, 3, 0)),
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


def test_a_fingerprint_is_of_the_images_not_of_how_they_lie_in_memory():
    pixels = random_bytes(4, 8)
    expected = Arrays(pixels, np.arange(4)).fingerprint
    assert Arrays(np.asfortranarray(pixels), [0, 1, 2, 3]).fingerprint == expected
    assert Arrays(pixels[::-1].copy()[::-1], np.arange(4, dtype=np.uint8)).fingerprint == expected
    assert Arrays(pixels, np.arange(4, dtype=float)).fingerprint == expected
    assert Arrays(pixels[..., 0]).fingerprint == Arrays(pixels[..., :1]).fingerprint


def test_what_a_person_sees_of_a_source_is_a_line():
    source = Arrays(np.zeros((2000, 8, 8), np.uint8), np.arange(2000) % 10)
    assert repr(source) == "<2,000 images of 8×8×1, 10 classes>"
    assert repr(add_margin(take_first(source, 3), 2)) == "<3 images of 12×12×1, 3 classes>"
    assert repr(Arrays(grey(2), np.eye(2, 5))) == "<2 images of 8×8×1, 5 attributes each>"
    assert repr(DataSet(Arrays(grey(2)), Arrays(grey(1)))) == (
        "DataSet(train=<2 images of 8×8×1>, held_out=<1 image of 8×8×1>, skipped=0)"
    )
