""".npz and .npy files: valid, damaged and oversized."""

import re
import struct
import zipfile

import numpy as np
import pytest

from alae_workbench.data.formats import arrays
from alae_workbench.data.load import load_images
from alae_workbench.data.options import SourceOptions
from alae_workbench.data.resolve import open_source
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
        ({"first": grey_images(3), "more": grey_images(3)}, "must hold 'images' .*it holds first, more"),
        ({"numbers": np.arange(3)}, "must hold 'images' .*it holds numbers"),
        ({}, "it holds nothing"),
        (
            {"images": grey_images(3) - 1000.0},
            r"float64, from -1000 to .*; they must be bytes, or numbers in \[0, 1\]",
        ),
        ({"images": grey_images(3) * np.nan}, "images are float64, from nan to nan; they must be bytes"),
        (
            {"images": np.where(np.arange(3)[:, None, None] == 1, np.nan, grey_images(3))},
            r"; 1 of 3 images holds NaN or infinite values: leave them out, or .* numpy.nan_to_num\(images\)",
        ),
        (
            {"images": np.zeros((9, 9, 3), np.uint8)},
            r"shape \(9, 9, 3\), which is that of one image in colour: .*\[None\]",
        ),
        ({"images": np.zeros((8, 8, 1, 9), np.uint8)}, r"with their number last: give numpy.moveaxis\(images, -1, 0\)"),
        ({"images": np.zeros((3, 64), np.uint8)}, r"of shape \(3, 64\): if each row is an image, store .*\(-1, 8, 8\)"),
        ({"images": np.zeros((3, 2, 8, 8, 3), np.uint8)}, r"shape .*: store its frames as images, .*shape\[-3:\]\)"),
        ({"images": grey_images(3) * 1j}, "images are complex128 of shape .*; they must be bytes"),
        ({"images": np.full((3, 8, 8), 300)}, "images are int64, from 300 to 300; they must be bytes"),
        ({"images": np.array([object()])}, "cannot be read as an .npz of plain arrays"),
        ({"images": grey_images(3, size=9)}, r"are 9×9×1, but the configuration says 8×8×1: .*set image=\[9,9,1\]"),
        ({"images": grey_images(2)}, "training.held_out is 2, but there are only 2 images"),
        ({"images": grey_images(0)}, "mine.npz holds no images"),
        ({"x_train": grey_images(3), "x_test": grey_images(0)}, "mine.npz holds no images"),
    ],
)
def test_errors_about_unusable_npz_files_explain_the_problem(tmp_path, held, message):
    np.savez(tmp_path / "mine.npz", **held)
    with pytest.raises(DataError, match=message):
        load_for_training(tmp_path / "mine.npz")


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        (np.array([0, 1, np.nan]), "which are integers, but one is nan"),
        (np.array([0, 1, 1e300]), r"which are integers, but one is 1e\+300"),
        (np.arange(2), "there are 3 images, but 2 labels"),
        (np.zeros(3, "M8[s]"), r"labels must be class numbers .* but are datetime64"),
        (np.array([object()] * 3), "it holds Python objects"),
    ],
)
def test_unusable_labels_are_an_error_only_where_labels_are_needed(tmp_path, labels, reason):
    np.savez(tmp_path / "mine.npz", images=grey_images(3), labels=labels)
    data = load_for_training(tmp_path / "mine.npz")
    assert data.train.labels is None
    assert re.search(rf"none \(found 'labels', not used: .*{reason}", data.train.label_text)
    with pytest.raises(DataError, match=rf"labels is 3, but .* has no labels \(found 'labels', not used: .*{reason}"):
        load_for_training(tmp_path / "mine.npz", labels=3)
    with pytest.raises(DataError, match=rf"the labels 'labels' cannot be used: .*{reason}"):
        open_source(str(tmp_path / "mine.npz"), SourceOptions(labels="labels"))


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ("x y", "from 'y'"),
        ("X_train Y_train", "from 'Y_train'"),
        ("image label", "from 'label'"),
        ("train_images train_labels", "from 'train_labels'"),
        ("imgs latents_classes", "from 'latents_classes'"),
        ("arr_0 arr_1", "from 'arr_1'"),
        ("data target", "from 'target'"),
        ("trainX trainY", "from 'trainY'"),
        ("images foo", "(arrays not used: 'foo')"),
    ],
)
def test_pairs_of_arrays_are_recognised_by_their_names(tmp_path, names, text):
    images, labels = names.split()
    np.savez(tmp_path / "mine.npz", **{labels: np.array([2, 0, 1, 1, 2]), images: grey_images(5)})
    found = open_source(str(tmp_path / "mine.npz")).images
    assert np.array_equal(read_all(found)[..., 0], grey_images(5))
    assert found.label_text.endswith(text)
    assert text.startswith("(") or found.labels.tolist() == [2, 0, 1, 1, 2]


def test_dsprites_is_read(tmp_path):
    """Its file has images of 0 and 1, six latents for each, and a dictionary of Python."""
    shapes = (1, 2, 3, 2, 2, 2)
    latents = np.stack(np.unravel_index(np.arange(48), shapes), 1)
    images = np.random.default_rng(0).integers(0, 2, (48, 8, 8), np.uint8)
    np.savez_compressed(
        tmp_path / "dsprites.npz",
        metadata=np.array({"date": "April 2017", "latents_names": ("color", "shape")}, dtype=object),
        imgs=images,
        latents_classes=latents,
        latents_values=latents / 2.0,
    )
    splits = open_source(str(tmp_path / "dsprites.npz"))
    assert splits.interpretation == "black and white, 0 and 1"
    assert np.array_equal(read_all(splits.images)[..., 0], images * 255)
    assert np.array_equal(splits.images.labels, latents)
    unused = "arrays not used: 'metadata', 'latents_values'"
    assert splits.images.label_text == f"6 attributes from 'latents_classes' ({unused})"
    chosen = open_source(str(tmp_path / "dsprites.npz"), SourceOptions(labels="latents_values"))
    assert np.array_equal(chosen.images.labels, latents / 2.0)


@pytest.mark.parametrize(
    ("labels", "classes", "names"),
    [
        (np.array(["dog", "cat", "dog"]), [1, 0, 1], ("cat", "dog")),
        (np.array([b"dog", b"cat", b"dog"]), [1, 0, 1], ("cat", "dog")),
        (np.eye(3)[[2, 0, 1]], [2, 0, 1], ()),
        (np.array([[2], [0], [1]]), [2, 0, 1], ()),
        (np.array([2.0, 0, 1]), [2, 0, 1], ()),
        (np.array([[1, -1], [-1, 1], [1, 1]]), [[1, -1], [-1, 1], [1, 1]], ()),
    ],
)
def test_labels_are_converted_by_their_type(tmp_path, labels, classes, names):
    np.savez(tmp_path / "mine.npz", images=grey_images(3), labels=labels)
    found = open_source(str(tmp_path / "mine.npz")).images
    assert (found.labels.tolist(), found.label_names) == (classes, names)


def test_every_held_out_split_is_taken_with_its_labels(tmp_path):
    """MedMNIST has arrays of train, val and test; np.savez without names gives positions."""
    images = grey_images(9)
    parts = {"train": slice(5), "val": slice(5, 7), "test": slice(7, 9)}
    arrays = {f"{name}_images": images[part] for name, part in parts.items()}
    labels = {f"{name}_labels": np.arange(9)[part, None] for name, part in parts.items()}
    np.savez(tmp_path / "a.npz", **labels, **arrays)
    found = open_source(str(tmp_path / "a.npz"))
    assert (found.images.labels.tolist(), sorted(found.test.labels.tolist())) == ([0, 1, 2, 3, 4], [5, 6, 7, 8])
    assert np.array_equal(read_all(found.test)[..., 0], images[found.test.labels])
    np.savez(tmp_path / "b.npz", images[:5], np.arange(5), images[5:], np.arange(5, 9))
    found = open_source(str(tmp_path / "b.npz"))
    assert (found.images.labels.tolist(), found.test.labels.tolist()) == ([0, 1, 2, 3, 4], [5, 6, 7, 8])


def test_only_the_arrays_that_are_needed_are_read(tmp_path):
    """The file of dSprites also holds pickled metadata."""
    np.savez(tmp_path / "a.npz", imgs=grey_images(3), latents_classes=np.arange(6).reshape(3, 2), metadata=[{"a": 1}])
    found = open_source(str(tmp_path / "a.npz")).images
    assert found.labels.tolist() == [[0, 1], [2, 3], [4, 5]]
    assert found.label_text == "2 attributes from 'latents_classes' (arrays not used: 'metadata')"


def test_arrays_are_chosen_by_name(tmp_path):
    np.savez(tmp_path / "a.npz", a=grey_images(3), b=255 - grey_images(3), c=np.arange(3), y=np.zeros(3))
    found = open_source(str(tmp_path / "a.npz"), SourceOptions(images="b", labels="c")).images
    assert np.array_equal(read_all(found)[..., 0], 255 - grey_images(3))
    assert found.labels.tolist() == [0, 1, 2]
    for options in (SourceOptions(images="d"), SourceOptions(images="b", labels="d")):
        with pytest.raises(DataError, match="'d'"):
            open_source(str(tmp_path / "a.npz"), options)
    assert open_source(str(tmp_path / "a.npz"), SourceOptions(images="b", labels="none")).images.labels is None


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
