"""IDX files: valid, damaged and oversized."""

import struct

import numpy as np
import pytest

from alae_core import load_config
from alae_workbench.data.load import load_data, load_images
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
