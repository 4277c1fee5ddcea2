"""IDX files: valid, damaged and oversized."""

import struct

import numpy as np
import pytest

from alae_core import load_config
from alae_workbench.data.load import load_data, load_images
from alae_workbench.data.options import SourceOptions
from alae_workbench.data.ranges import ValueRange
from alae_workbench.data.resolve import open_source
from alae_workbench.data.source import DataError, read_all
from tests.helpers.data import grey_images, load_for_training, make_config, write_idx
from tests.helpers.requirements import MNIST, needs_mnist


@needs_mnist
def test_real_mnist_is_read():
    data = load_data(str(MNIST), load_config("mnist-mlp"), held_out=1)
    assert (len(data.train), len(data.held_out)) == (60_000, 10_000)
    assert np.bincount(data.train.labels).tolist()[:2] == [5923, 6742]


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_a_folder_of_idx_files_is_read(tmp_path, ending):
    for part, count in (("train", 5), ("t10k", 3)):
        write_idx(tmp_path / f"{part}-images-idx3-ubyte{ending}", grey_images(count))
        write_idx(tmp_path / f"{part}-labels-idx1-ubyte{ending}", np.arange(count, dtype=np.uint8))
    data = load_for_training(tmp_path)
    assert np.array_equal(read_all(data.train)[..., 0], grey_images(5))
    assert data.held_out.labels.tolist() == [0, 1, 2]
    assert np.array_equal(load_images(str(tmp_path), make_config()).labels, [0, 1, 2])


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        ("{}-images.idx3-ubyte", "{}-labels.idx1-ubyte"),
        ("{0}-images.idx3-ubyte/{0}-images.idx3-ubyte", "{0}-labels.idx1-ubyte/{0}-labels.idx1-ubyte"),
        ("raw/{}-images-idx3-ubyte", "raw/{}-labels-idx1-ubyte.gz"),
        ("MNIST/raw/{}-images-idx3-ubyte.gz", "MNIST/raw/{}-labels-idx1-ubyte"),
    ],
    ids=["Kaggle", "unpacked by Kaggle", "torchvision", "torchvision's root"],
)
def test_files_of_other_sites_are_read(tmp_path, images, labels):
    for part, count in (("train", 5), ("t10k", 3)):
        for name, array in ((images, grey_images(count)), (labels, np.arange(count, dtype=np.uint8) % 3)):
            path = tmp_path / name.format(part)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_idx(path, array)
    data = load_for_training(tmp_path)
    assert np.array_equal(read_all(data.train)[..., 0], grey_images(5))
    assert (data.train.labels.tolist(), data.held_out.labels.tolist()) == ([0, 1, 2, 0, 1], [0, 1, 2])


def write_emnist(folder, name, count=4):
    """Write a data set as EMNIST does: with columns of pixels for rows."""
    for part in ("train", "test"):
        write_idx(folder / f"emnist-{name}-{part}-images-idx3-ubyte.gz", grey_images(count).swapaxes(1, 2))
        write_idx(folder / f"emnist-{name}-{part}-labels-idx1-ubyte.gz", np.arange(1, count + 1, dtype=np.uint8))


@pytest.mark.parametrize("inside", ["", "gzip"])
def test_emnist_is_turned_upright(tmp_path, inside):
    (tmp_path / inside).mkdir(exist_ok=True)
    write_emnist(tmp_path / inside, "letters")
    data = load_for_training(tmp_path)
    assert np.array_equal(read_all(data.train)[..., 0], grey_images(4))
    assert data.train.labels.tolist() == [1, 2, 3, 4]
    assert data.interpretation == "rows for columns, as EMNIST stores them"


def test_one_of_several_data_sets_is_chosen_by_its_file(tmp_path):
    write_emnist(tmp_path, "letters", 4)
    write_emnist(tmp_path, "digits", 6)
    file = tmp_path / "emnist-digits-train-images-idx3-ubyte.gz"
    with pytest.raises(DataError, match=f"of 2 data sets: give a file of training images of one, such as {file}"):
        load_for_training(tmp_path)
    assert len(load_for_training(file).train) == 6


def test_without_test_images_some_are_held_out(tmp_path):
    write_idx(tmp_path / "train-images-idx3-ubyte", grey_images(5))
    data = load_for_training(tmp_path)
    assert (len(data.train), len(data.held_out), data.train.labels) == (3, 2, None)
    (tmp_path / "train-images-idx3-ubyte").rename(tmp_path / "t10k-images-idx3-ubyte")
    with pytest.raises(DataError, match="has t10k-images-idx3-ubyte but no train-images-idx3-ubyte"):
        load_for_training(tmp_path)


def make_idx(*shape):
    return b"\x00\x00\x08" + bytes([len(shape)]) + struct.pack(f">{len(shape)}I", *shape)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (make_idx(5, 8, 8) + b"short", "is damaged: its header promises 5×8×8 bytes, but only 5 follow"),
        (make_idx(1, 2, 2) + b"more than that", "promises 1×2×2 bytes, but more follow"),
        (make_idx(0, 2**32 - 1, 2**32 - 1), "holds no values: its shape is 0×4294967295×4294967295"),
        (
            make_idx(2**32 - 1, 2**32 - 1),
            "claims to unpack to 18,446,744,065,119,617,025; at most 1,073,741,824 are accepted",
        ),
        (b"\x00\x00\x08\xff", "says 255 axes, but images have 3 or 4, and labels 1"),
        (b"PNG?", "is not an IDX file of bytes: it must start with 00 00 08, not .50 4e 47"),
        (b"", "ubyte is empty"),
        (b"\x00\x00\x08", "is truncated: it ends within its header"),
        (b"\x00\x00\x08\x03\x00", "is truncated: it ends within its header"),
    ],
)
def test_errors_name_damaged_idx_files(tmp_path, content, message):
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(content)
    write_idx(tmp_path / "t10k-images-idx3-ubyte", grey_images(3))
    with pytest.raises(DataError, match=message) as caught:
        load_for_training(tmp_path)
    assert str(path) in str(caught.value)


def test_a_stated_range_is_used_and_checked(tmp_path):
    write_idx(tmp_path / "train-images-idx3-ubyte", grey_images(5) // 16)
    splits = open_source(str(tmp_path), SourceOptions(range=ValueRange(0, 15)))
    assert np.array_equal(read_all(splits.images)[..., 0], grey_images(5) // 16 * 17)
    assert splits.interpretation == "numbers in 0 … 15"
    with pytest.raises(DataError, match=r"is not within the range 0\.\.3 of training\.range"):
        open_source(str(tmp_path), SourceOptions(range=ValueRange(0, 3)))
