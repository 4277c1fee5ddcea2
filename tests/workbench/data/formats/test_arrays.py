""".npz and .npy files: valid, damaged and oversized."""

import struct
import zipfile

import numpy as np
import pytest

from alae_workbench.data.formats import arrays
from alae_workbench.data.load import load_images
from alae_workbench.data.source import DataError, read_all
from tests.helpers.data import grey_images, load_for_training, make_config, write_idx


def test_npz_files_may_have_a_test_split(tmp_path):
    np.savez(tmp_path / "one.npz", images=grey_images(7), labels=np.arange(7))
    data = load_for_training(tmp_path / "one.npz")
    assert (len(data.train), len(data.held_out)) == (5, 2)
    np.savez(tmp_path / "two.npz", x_train=grey_images(7), x_test=grey_images(3))
    assert len(load_for_training(tmp_path / "two.npz").held_out) == 3


@pytest.mark.parametrize(
    ("held", "message"),
    [
        ({"pictures": grey_images(3), "more": grey_images(3)}, "must hold 'images' .*it holds pictures, more"),
        ({"numbers": np.arange(3)}, "must hold 'images' .*it holds numbers"),
        ({}, "it holds nothing"),
        (
            {"images": grey_images(3) - 1000.0},
            r"float64, from -1000 to .*; they must be bytes, or numbers in \[0, 1\]",
        ),
        ({"images": grey_images(3) * np.nan}, "images are float64, from nan to nan; they must be bytes"),
        ({"images": grey_images(3) * 1j}, "images are complex128 of shape .*; they must be bytes"),
        ({"images": grey_images(3), "labels": np.array([0, 1, np.nan])}, "which are integers, but one is nan"),
        ({"images": grey_images(3), "labels": np.array([0, 1, 1e300])}, "which are integers, but one is 1e[+]300"),
        ({"images": np.full((3, 8, 8), 300)}, "images are int64, from 300 to 300; they must be bytes"),
        ({"images": grey_images(3), "labels": np.arange(2)}, "there are 3 images, but 2 labels"),
        ({"images": np.array([object()])}, "cannot be read as an .npz of plain arrays"),
        ({"images": grey_images(3, size=9)}, r"are 9×9×1, but the configuration says 8×8×1: .*set image=\[9,9,1\]"),
        ({"images": grey_images(2)}, "training.held_out is 2, but there are only 2 images"),
        ({"images": grey_images(0)}, "mine.npz holds no images"),
        ({"x_train": grey_images(3), "x_test": grey_images(0)}, "mine.npz holds no images"),
        (
            {"images": grey_images(3), "labels": np.array(["a", "b", "c"])},
            "labels must be class numbers .* but are <U1",
        ),
    ],
)
def test_errors_about_unusable_npz_files_explain_the_problem(tmp_path, held, message):
    np.savez(tmp_path / "mine.npz", **held)
    with pytest.raises(DataError, match=message):
        load_for_training(tmp_path / "mine.npz")


def test_a_single_array_holds_the_images_whatever_its_name(tmp_path):
    np.savez(tmp_path / "a.npz", x_train=grey_images(5), y_train=np.arange(5))
    np.savez(tmp_path / "b.npz", grey_images(5))
    np.savez_compressed(tmp_path / "c.npz", pictures=grey_images(5), numbers=np.arange(3))
    np.save(tmp_path / "d.npy", grey_images(5))
    np.save(tmp_path / "e.npy", np.asfortranarray(grey_images(5)))
    (tmp_path / "e.npy").rename(tmp_path / "e.npz")
    for name in ("a.npz", "b.npz", "c.npz", "d.npy", "e.npz"):
        assert np.array_equal(read_all(load_images(str(tmp_path / name), make_config()))[..., 0], grey_images(5)), name
    assert load_images(str(tmp_path / "a.npz"), make_config()).labels.tolist() == [0, 1, 2, 3, 4]


def write_npz_with(path, content):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("images.npy", content)


def make_npy_header(text):
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            make_npy_header("{'descr': '|u1', 'fortran_order': False, 'shape': (1000000000000000,)}"),
            "its header promises 1,000,000,000,000,000 bytes, but there are",
        ),
        (make_npy_header("{'descr': '|u1', 'fortran_order': False, 'shape': (-1, -5)}"), r"its shape is \(-1, -5\)"),
        (make_npy_header("("), "cannot be read as an .npz of plain arrays"),
        (b"", "cannot be read as an .npz of plain arrays"),
    ],
    ids=str,
)
def test_headers_that_claim_more_than_the_file_holds_are_refused(tmp_path, content, message):
    write_npz_with(tmp_path / "mine.npz", content)
    with pytest.raises(DataError, match=message):
        load_for_training(tmp_path / "mine.npz")


def test_files_that_would_unpack_to_too_much_are_refused_without_reading(tmp_path, monkeypatch):
    monkeypatch.setattr(arrays, "_MOST_BYTES", 2**20)
    np.savez_compressed(tmp_path / "mine.npz", images=np.zeros((2**15, 8, 8), np.uint8))
    with pytest.raises(DataError, match="bytes and claims to unpack to 2,097,"):
        load_for_training(tmp_path / "mine.npz")
    for name in ("train-images-idx3-ubyte.gz", "t10k-images-idx3-ubyte.gz"):
        write_idx(tmp_path / name, np.zeros((2**15, 8, 8), np.uint8))
    with pytest.raises(DataError, match="claims to unpack to 2,097,152; "):
        load_for_training(tmp_path)
