"""MATLAB's .mat files, compared with those that SciPy writes."""

import struct

import numpy as np
import pytest
from scipy.io import savemat

from alae_workbench.data.options import SourceOptions
from alae_workbench.data.resolve import open_source
from alae_workbench.data.source import DataError, read_all
from tests.helpers.data import grey_images, random_pixels

DIGITS = random_pixels(5, 32)


@pytest.mark.parametrize("compressed", [False, True])
def test_svhn_is_read(tmp_path, compressed):
    for name, labels in (("train", [1, 10, 3, 9, 10]), ("test", [10, 2, 2, 1, 1])):
        values = {"X": DIGITS.transpose(1, 2, 3, 0), "y": np.array(labels, np.uint8)[:, None]}
        savemat(tmp_path / f"{name}_32x32.mat", values, do_compression=compressed)
    splits = open_source(str(tmp_path))
    assert np.array_equal(read_all(splits.images), DIGITS)
    assert splits.images.labels.tolist() == [1, 0, 3, 9, 0]
    assert splits.test.labels.tolist() == [0, 2, 2, 1, 1]
    assert splits.images.label_text == "4 classes from 'y' (its label 10 is the digit 0)"
    alone = open_source(str(tmp_path / "train_32x32.mat"))
    assert (len(alone.images), alone.test) == (5, None)


def test_structures_are_named_if_there_are_no_images(tmp_path):
    """EMNIST's .mat files hold one structure."""
    savemat(tmp_path / "a.mat", {"dataset": {"train": DIGITS}})
    with pytest.raises(DataError, match="its arrays are none; structures, texts and the like are not read: 'dataset'"):
        open_source(str(tmp_path / "a.mat"))
    savemat(tmp_path / "b.mat", {"data": grey_images(3, 28).reshape(3, 784).T})
    with pytest.raises(DataError, match=r"if each column is an image, store images.T.reshape\(-1, 28, 28\)"):
        open_source(str(tmp_path / "b.mat"))


def test_other_names_types_and_ranges_are_read(tmp_path):
    grey = grey_images(4)
    values = {"faces": grey.transpose(1, 2, 0) / 255.0, "id": np.array([[3.0, 1, 2, 1]]), "note": "text", "s": {"a": 1}}
    savemat(tmp_path / "a.mat", values)
    splits = open_source(str(tmp_path / "a.mat"), SourceOptions(labels="id"))
    assert np.array_equal(read_all(splits.images)[..., 0], grey)
    assert splits.images.labels.tolist() == [3, 1, 2, 1]
    assert splits.interpretation == "numbers in [0, 1]"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"MATLAB 7.3 MAT-file" + bytes(500), r"of version 7\.3 \(HDF5\), which cannot be read: save it in MATLAB"),
        (b"\x89HDF\r\n\x1a\n" + bytes(500), r"of version 7\.3"),
        (b"MATLAB 5.0" + bytes(500), "is not a .mat file of version 5"),
        (b"", "is not a .mat file of version 5"),
        (bytes(124) + b"\1\0IM" + struct.pack("<II", 14, 2**31), "claims 2,147,483,648 bytes, but the file ends"),
    ],
)
def test_errors_explain_other_files(tmp_path, content, message):
    (tmp_path / "a.mat").write_bytes(content)
    with pytest.raises(DataError, match=message):
        open_source(str(tmp_path / "a.mat"))


def test_errors_list_the_arrays_of_files_without_images(tmp_path):
    savemat(tmp_path / "a.mat", {"ff": np.zeros((560, 20), np.uint8)})
    with pytest.raises(DataError, match="its arrays are ff of 560×20"):
        open_source(str(tmp_path / "a.mat"))


def test_compressed_arrays_may_not_unpack_to_far_more_than_the_file(tmp_path, monkeypatch):
    savemat(tmp_path / "a.mat", {"X": np.zeros((64, 64, 400), np.uint8)}, do_compression=True)
    monkeypatch.setattr("alae_workbench.data.formats.arrays._MOST_BYTES", 2**20)
    with pytest.raises(DataError, match=r"claims to unpack to 1,638,\d{3}; at most 1,048,576 are accepted"):
        open_source(str(tmp_path / "a.mat"))


def test_held_out_arrays_of_one_file_are_its_test_split(tmp_path):
    images = DIGITS.transpose(1, 2, 3, 0)
    values = {"x_train": images[..., :3], "y_train": [[1, 2, 1]], "x_test": images[..., 3:], "y_test": [[2, 1]]}
    savemat(tmp_path / "a.mat", {**values, "mean": np.zeros((2, 2))})
    splits = open_source(str(tmp_path / "a.mat"))
    assert np.array_equal(read_all(splits.images), DIGITS[:3])
    assert np.array_equal(read_all(splits.test), DIGITS[3:])
    assert splits.test.labels.tolist() == [2, 1]
    assert splits.images.label_text == "2 classes from 'y_train' (arrays not used: 'mean')"


def test_errors_name_the_file_once(tmp_path):
    (tmp_path / "a.mat").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(500))
    with pytest.raises(DataError) as caught:
        open_source(str(tmp_path / "a.mat"))
    assert str(caught.value).count("a.mat") == 1
