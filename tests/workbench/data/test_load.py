"""Named data, arrays and folders as sources: what they hold, and what each broken one is told."""

import gzip
import os
import struct
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from PIL import EpsImagePlugin, Image

from alae_core import load_config
from alae_workbench.data.builtin import needs_keras
from alae_workbench.data.derived import split
from alae_workbench.data.formats import arrays
from alae_workbench.data.load import as_data_set, load_data, load_images
from alae_workbench.data.memory import Arrays, as_source
from alae_workbench.data.ranges import as_pixels
from alae_workbench.data.source import DataError, DataSet, read_all
from alae_workbench.data.survey import survey_source
from tests.helpers.requirements import FACES, MNIST, needs_faces, needs_mnist
from tests.workbench.data.test_source import config, grey


def load(name, skip_bad=False, **overrides):
    return load_data(str(name), config(**overrides), held_out=2, skip_bad=skip_bad)


def write_idx(path, array):
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    with (gzip.open if path.suffix == ".gz" else open)(path, "wb") as file:
        file.write(header + array.tobytes())


def test_digits_are_embedded_and_split_the_same_way_for_every_seed():
    data = load_data("digits", config(), held_out=360)
    again = load_data("digits", config(seed=9), held_out=360)
    assert (len(data.train), len(data.held_out)) == (1437, 360)
    train, held_out = read_all(data.train), read_all(data.held_out)
    assert train.shape == (1437, *data.train.shape) == (1437, 8, 8, 1)
    assert (train.min(), train.max()) == (0, 255)
    assert np.array_equal(held_out, read_all(again.held_out))
    assert data.fingerprint == again.fingerprint
    rows = {image.tobytes() for image in train}
    assert not any(image.tobytes() in rows for image in held_out)


@needs_mnist
def test_real_mnist_as_an_idx_folder():
    data = load_data(str(MNIST), load_config("mnist-mlp"), held_out=1)
    assert (len(data.train), len(data.held_out)) == (60_000, 10_000)
    assert np.bincount(data.train.labels).tolist()[:2] == [5923, 6742]


@needs_faces
def test_real_faces_as_a_folder():
    data = load_data(str(FACES), config(image=[32, 32, 3]), held_out=10)
    assert (len(data.train), data.train.shape) == (136, (32, 32, 3))


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_idx_folders(tmp_path, ending):
    for part, count in (("train", 5), ("t10k", 3)):
        write_idx(tmp_path / f"{part}-images-idx3-ubyte{ending}", grey(count))
        write_idx(tmp_path / f"{part}-labels-idx1-ubyte{ending}", np.arange(count, dtype=np.uint8))
    data = load(tmp_path)
    assert np.array_equal(read_all(data.train)[..., 0], grey(5))
    assert data.held_out.labels.tolist() == [0, 1, 2]
    assert np.array_equal(load_images(str(tmp_path), config()).labels, [0, 1, 2])


def idx_of(*shape):
    return b"\x00\x00\x08" + bytes([len(shape)]) + struct.pack(f">{len(shape)}I", *shape)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (idx_of(5, 8, 8) + b"short", "is damaged: its header promises 5×8×8 bytes, but only 5 follow"),
        (idx_of(1, 2, 2) + b"more than that", "promises 1×2×2 bytes, but more follow"),
        (idx_of(0, 2**32 - 1, 2**32 - 1), "holds nothing: its shape is 0×4294967295×4294967295"),
        (
            idx_of(2**32 - 1, 2**32 - 1),
            "that it becomes 18,446,744,065,119,617,025, but 1,073,741,824 at the most",
        ),
        (b"\x00\x00\x08\xff", "says that it has 255 axes, but images have 3 or 4, and labels one"),
        (b"PNG?", "is no IDX file of bytes: it must start with 00 00 08, not .50 4e 47"),
        (b"", "ubyte is empty"),
        (b"\x00\x00\x08", "is cut short: it ends within its header"),
        (b"\x00\x00\x08\x03\x00", "is cut short: it ends within its header"),
    ],
)
def test_broken_idx_files_are_named(tmp_path, content, message):
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(content)
    write_idx(tmp_path / "t10k-images-idx3-ubyte", grey(3))
    with pytest.raises(DataError, match=message) as caught:
        load(tmp_path)
    assert str(path) in str(caught.value)


def test_npz_with_and_without_a_test_split(tmp_path):
    np.savez(tmp_path / "one.npz", images=grey(7), labels=np.arange(7))
    data = load(tmp_path / "one.npz")
    assert (len(data.train), len(data.held_out)) == (5, 2)
    np.savez(tmp_path / "two.npz", x_train=grey(7), x_test=grey(3))
    assert len(load(tmp_path / "two.npz").held_out) == 3


@pytest.mark.parametrize(
    ("held", "message"),
    [
        ({"pictures": grey(3), "more": grey(3)}, "must hold 'images' .*it holds pictures, more"),
        ({"numbers": np.arange(3)}, "must hold 'images' .*it holds numbers"),
        ({}, "it holds nothing"),
        (
            {"images": grey(3) - 1000.0},
            r"float64, from -1000 to .*: they should be bytes, or numbers in \[0, 1\]",
        ),
        ({"images": grey(3) * np.nan}, "images are float64, from nan to nan: they should be bytes"),
        ({"images": grey(3) * 1j}, "images are complex128 of shape .*: they should be bytes"),
        ({"images": grey(3), "labels": np.array([0, 1, np.nan])}, "whole ones, but one is nan"),
        ({"images": grey(3), "labels": np.array([0, 1, 1e300])}, "whole ones, but one is 1e[+]300"),
        ({"images": np.full((3, 8, 8), 300)}, "images are int64, from 300 to 300: they should be bytes"),
        ({"images": grey(3), "labels": np.arange(2)}, "there are 3 images, but 2 labels"),
        ({"images": np.array([object()])}, "cannot be read as an .npz of plain arrays"),
        ({"images": grey(3, size=9)}, r"are 9×9×1, but the configuration says 8×8×1: .*set image=\[9,9,1\]"),
        ({"images": grey(2)}, "training.held_out is 2, but there are only 2 images"),
        ({"images": grey(0)}, "mine.npz holds no images"),
        ({"x_train": grey(3), "x_test": grey(0)}, "mine.npz holds no images"),
        ({"images": grey(3), "labels": np.array(["a", "b", "c"])}, "labels must be class numbers .* but are <U1"),
    ],
)
def test_broken_npz_files_are_explained(tmp_path, held, message):
    np.savez(tmp_path / "mine.npz", **held)
    with pytest.raises(DataError, match=message):
        load(tmp_path / "mine.npz")


def test_one_array_alone_is_images_whatever_its_file_is_called(tmp_path):
    np.savez(tmp_path / "a.npz", x_train=grey(5), y_train=np.arange(5))
    np.savez(tmp_path / "b.npz", grey(5))
    np.savez_compressed(tmp_path / "c.npz", pictures=grey(5), numbers=np.arange(3))
    np.save(tmp_path / "d.npy", grey(5))
    np.save(tmp_path / "e.npy", np.asfortranarray(grey(5)))
    (tmp_path / "e.npy").rename(tmp_path / "e.npz")
    for name in ("a.npz", "b.npz", "c.npz", "d.npy", "e.npz"):
        assert np.array_equal(read_all(load_images(str(tmp_path / name), config()))[..., 0], grey(5)), name
    assert load_images(str(tmp_path / "a.npz"), config()).labels.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("images", "taken"),
    [
        (grey(4), ""),
        (grey(4) / 255.0, "numbers in [0, 1]"),
        (np.float32(grey(4) / 127.5 - 1), "numbers in [−1, 1]"),
        (grey(4) / 1.0, "numbers in 0 … 255"),
        (grey(4).astype(int), "numbers in 0 … 255"),
        (grey(4)[:, None], "channels first"),
        (grey(4)[:, None] / 255.0, "numbers in [0, 1] and channels first"),
    ],
)
def test_numbers_whose_range_says_how_are_taken_and_it_is_said(tmp_path, images, taken):
    assert survey_source(as_source(images), "the images in hand").fixed == (8, 8)
    np.save(tmp_path / "mine.npy", images)
    for data in (as_data_set(images, config(), held_out=1), load(tmp_path / "mine.npy")):
        assert data.interpretation == taken
        assert np.array_equal(read_all(data.train)[..., 0], grey(4)[data.train.indices])
    if taken:
        # Whoever says that they are bytes is told what makes them some.
        with pytest.raises(DataError) as caught:
            Arrays(images)
        line = str(caught.value).rpartition("pass ")[2].partition(" of ")[0]
        assert np.array_equal(eval(line, {"as_pixels": as_pixels, "images": images}).reshape(4, 8, 8), grey(4))


def test_a_split_has_one_range(tmp_path):
    train, test = grey(4) / 127.5 - 1, np.full((2, 8, 8), 0.5)
    np.savez(tmp_path / "mine.npz", x_train=train, x_test=test)
    assert np.unique(read_all(load(tmp_path / "mine.npz").held_out)).tolist() == [191]


def npz_with(path, content):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("images.npy", content)


def npy_header(text):
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            npy_header("{'descr': '|u1', 'fortran_order': False, 'shape': (1000000000000000,)}"),
            "its header promises 1,000,000,000,000,000 bytes, but there are",
        ),
        (npy_header("{'descr': '|u1', 'fortran_order': False, 'shape': (-1, -5)}"), r"its shape is \(-1, -5\)"),
        (npy_header("("), "cannot be read as an .npz of plain arrays"),
        (b"", "cannot be read as an .npz of plain arrays"),
    ],
    ids=str,
)
def test_headers_are_believed_only_as_far_as_the_file_goes(tmp_path, content, message):
    npz_with(tmp_path / "mine.npz", content)
    with pytest.raises(DataError, match=message):
        load(tmp_path / "mine.npz")


def test_a_little_that_unpacks_to_very_much_is_refused_unread(tmp_path, monkeypatch):
    monkeypatch.setattr(arrays, "_MOST_BYTES", 2**20)
    np.savez_compressed(tmp_path / "mine.npz", images=np.zeros((2**15, 8, 8), np.uint8))
    with pytest.raises(DataError, match="bytes says that it becomes 2,097,"):
        load(tmp_path / "mine.npz")
    for name in ("train-images-idx3-ubyte.gz", "t10k-images-idx3-ubyte.gz"):
        write_idx(tmp_path / name, np.zeros((2**15, 8, 8), np.uint8))
    with pytest.raises(DataError, match="becomes 2,097,152, but"):
        load(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_pipes_are_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "a.npz")
    with pytest.raises(DataError, match="it is not a regular file"):
        load(tmp_path / "a.npz")
    (tmp_path / "photos").mkdir()
    os.mkfifo(tmp_path / "photos" / "a.png")
    with pytest.raises(DataError, match=r"1 of 1 images .*it is not a regular file"):
        load(tmp_path / "photos")


def test_what_a_trained_model_cannot_change_is_not_advised(tmp_path):
    np.savez(tmp_path / "mine.npz", images=grey(3, size=9))
    with pytest.raises(DataError, match="give a folder of image files, which are resized and converted"):
        load_images(str(tmp_path / "mine.npz"), config())
    np.savez(tmp_path / "mine.npz", images=grey(3))
    with pytest.raises(DataError, match=r"has no labels: give images of classes 0 … 4, as the model knows them"):
        load_images(str(tmp_path / "mine.npz"), config(labels=5))


def photos(folder, sizes=((20, 10), (8, 8), (9, 30), (64, 64), (10, 10))):
    """Images of many shapes and modes whose left half is dark and right half bright."""
    for index, (width, height) in enumerate(sizes):
        pixels = np.zeros((height, width, 3), np.uint8)
        pixels[:, width // 2 :] = 250
        mode = ("RGB", "L", "RGBA", "P", "CMYK")[index % 5]
        ending = "jpg" if mode == "CMYK" else "png"
        path = folder / f"{'ab'[index % 2]}" / f"{index}.{ending}"
        path.parent.mkdir(exist_ok=True, parents=True)
        Image.fromarray(pixels).convert(mode).save(path)


def test_a_folder_of_any_images_is_cropped_resized_and_labelled_by_subfolder(tmp_path):
    photos(tmp_path)
    source = load_images(str(tmp_path), config(image=[8, 8, 3]))
    assert source.labels.tolist() == [0, 0, 0, 1, 1]
    # Cropped about the centre, every picture is still dark on its left and bright on its right.
    pixels = read_all(source)
    assert pixels.shape == (5, 8, 8, 3)
    assert pixels[:, :, :3].max() < 60
    assert pixels[:, :, 5:].min() > 200
    assert read_all(load_images(str(tmp_path), config())).shape == (5, 8, 8, 1)


def test_exif_orientation_is_applied(tmp_path):
    pixels = np.zeros((8, 8), np.uint8)
    pixels[:, 4:] = 255
    exif = Image.Exif()
    exif[0x0112] = 3  # turned by 180°
    Image.fromarray(pixels).save(tmp_path / "turned.png", exif=exif)
    found = read_all(load_images(str(tmp_path / "turned.png"), config()))[0, :, :, 0]
    assert found[:, :4].min() > 200


def test_unreadable_images_are_named_and_can_be_skipped(tmp_path):
    photos(tmp_path)
    (tmp_path / "a" / "torn.png").write_bytes((tmp_path / "a" / "0.png").read_bytes()[:40])
    (tmp_path / "a" / "text.jpg").write_text("no image")
    with pytest.raises(DataError, match=r"2 of 7 images .* cannot be read") as caught:
        load(tmp_path)
    assert "torn.png" in str(caught.value)
    assert "text.jpg" in str(caught.value)
    data = load(tmp_path, skip_bad=True)
    assert (len(data.train) + len(data.held_out), data.skipped) == (5, 2)


def test_who_looks_at_images_is_not_told_of_flags_for_training(tmp_path):
    photos(tmp_path)
    (tmp_path / "a" / "text.jpg").write_text("no image")
    with pytest.raises(DataError, match=r"1 of 6 images .* cannot be read") as caught:
        load_images(str(tmp_path), config())
    assert "skip" not in str(caught.value)


def test_images_are_found_at_any_depth_and_hidden_ones_and_links_to_folders_passed_over(tmp_path, monkeypatch):
    folder = tmp_path / "photos"
    photos(folder)
    for hidden in ("._0.png", ".previews/0.png", "a/.png"):
        (folder / hidden).parent.mkdir(exist_ok=True)
        (folder / hidden).write_text("no image")
    (folder / "a" / "up").symlink_to("..")
    (folder / "elsewhere").symlink_to(tmp_path)
    # Deeper than Python's calls may nest.
    depth = 1200
    monkeypatch.chdir(folder)
    for _ in range(depth):
        os.mkdir("d")
        os.chdir("d")
    (folder / "a" / "0.png").rename("0.png")
    try:
        assert len(load_images(str(folder), config())) == 5
    finally:
        # pytest could not remove it.
        os.remove("0.png")
        for _ in range(depth):
            os.chdir("..")
            os.rmdir("d")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="nobody keeps anything from root")
def test_a_folder_that_cannot_be_read_is_named(tmp_path):
    photos(tmp_path)
    (tmp_path / "b").chmod(0)
    with pytest.raises(DataError, match="b cannot be read: Permission denied"):
        load(tmp_path)
    (tmp_path / "b").chmod(0o700)


def test_nothing_readable_cannot_be_skipped(tmp_path):
    (tmp_path / "text.jpg").write_text("no image")
    with pytest.raises(DataError, match="1 of 1 images") as caught:
        load(tmp_path, skip_bad=True)
    assert "skip" not in str(caught.value)


def test_a_missing_path_lists_what_could_be_given(tmp_path):
    for name in (tmp_path / "nowhere", ""):
        with pytest.raises(DataError, match=f"there is no data '{name}': give one of digits, mnist, fashion_mnist"):
            load(name)
    (tmp_path / "data.csv").touch()
    with pytest.raises(DataError, match=r"data.csv is no data: arrays of images end in .npz or .npy"):
        load(tmp_path / "data.csv")
    with pytest.raises(DataError, match="there are no images in"):
        load(tmp_path)


def test_labels_must_fit_the_data(tmp_path):
    with pytest.raises(DataError, match="labels is 5, but digits has class 9: set labels=10"):
        load("digits", labels=5)
    np.savez(tmp_path / "bare.npz", images=grey(7))
    with pytest.raises(DataError, match="has no labels: set labels=0"):
        load(tmp_path / "bare.npz", labels=5)
    with pytest.raises(DataError, match="labels is 5, but data has class -1: classes count from 0"):
        as_data_set(Arrays(grey(7), np.arange(-1, 6)), config(labels=5), held_out=2)
    with pytest.raises(DataError, match="labels is 5, but data has 3 attributes an image, not a class: set labels=0"):
        as_data_set(Arrays(grey(7), np.ones((7, 3))), config(labels=5), held_out=2)


def test_a_download_that_fails_names_the_cache_and_the_alternatives(monkeypatch, tmp_path):
    import keras

    def fail():
        raise Exception("URL fetch failure on …: None -- offline")

    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(keras.datasets.mnist, "load_data", fail)
    with pytest.raises(DataError, match="mnist cannot be read: URL fetch failure") as caught:
        load_data("mnist", load_config("mnist-mlp"), held_out=1)
    assert str(tmp_path / "datasets" / "mnist.npz") in str(caught.value)
    assert "the embedded digits" in str(caught.value)


def test_only_the_data_sets_of_keras_need_keras():
    names = ["digits", "mnist", "fashion_mnist", "cifar10", "a/folder"]
    assert [name for name in names if needs_keras(name)] == ["mnist", "fashion_mnist", "cifar10"]
    code = (
        "import sys; from alae_core import load_config; from alae_workbench.data.load import load_data\n"
        "load_data('digits', load_config('digits-mlp'), held_out=5)\n"
        "print({'keras', 'jax', 'torch', 'tensorflow'} & set(sys.modules))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "set()\n"


def test_a_postscript_file_in_disguise_is_never_opened(tmp_path, monkeypatch):
    """Pillow goes by content, and for PostScript it calls Ghostscript, which runs what the file says."""

    def ghostscript(*_, **__):
        pytest.fail("Ghostscript was called")

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", ghostscript)
    disguised = tmp_path / "photo.png"
    disguised.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n")
    with Image.open(disguised) as image:
        assert image.format == "EPS", "Pillow would take it"
    for name in (disguised, tmp_path):
        with pytest.raises(DataError, match=r"photo.png \(its content is none of PNG, JPEG, WEBP, BMP, TIFF, GIF\)"):
            load_images(str(name), config())


@pytest.mark.parametrize("ending", ["png", "jpg", "jpeg", "webp", "bmp", "tif", "tiff", "gif"])
def test_every_format_that_is_promised_can_be_read(tmp_path, ending):
    Image.fromarray(np.full((8, 8), 77, np.uint8)).save(tmp_path / f"grey.{ending}")
    found = read_all(load_images(str(tmp_path / f"grey.{ending}"), config()))
    assert np.abs(found.astype(int) - 77).max() <= 2


def test_images_in_hand_become_a_data_set():
    pixels = grey(9)
    data = as_data_set(pixels, config(), held_out=2)
    assert (len(data.train), len(data.held_out), data.skipped) == (7, 2, 0)
    assert np.array_equal(read_all(data.train)[..., 0], pixels[data.train.indices])
    train, held_out = split(Arrays(pixels), 2)
    assert (data.train.fingerprint, data.held_out.fingerprint) == (train.fingerprint, held_out.fingerprint)
    labelled = as_data_set(Arrays(pixels, np.arange(9)), config(labels=9), held_out=2)
    assert np.array_equal(np.sort([*labelled.train.labels, *labelled.held_out.labels]), np.arange(9))
    assert as_data_set(pixels[:, 1:-1, 1:-1], config(), held_out=2, margin=1).train.shape == (8, 8, 1)
    again = as_data_set(labelled, config(labels=9), held_out=5, margin=1)
    assert again == labelled, "a data set is split and framed already"


class Generated:
    """A source of one's own: image i is grey i."""

    labels, shape = None, (8, 8, 1)

    def __init__(self):
        self.asked = []

    @property
    def fingerprint(self):
        raise AssertionError("nobody asked")

    def __len__(self):
        return 5

    def images(self, indices, size=None):
        self.asked.append((indices.tolist(), size))
        return np.tile(indices.astype(np.uint8)[:, None, None, None], (size or 8, size or 8, 1))


def test_a_source_of_ones_own_is_asked_for_nothing_it_need_not_give():
    source = Generated()
    data = as_data_set(source, config(), held_out=2)
    assert source.asked == []
    assert np.unique(read_all(data.held_out, 4)).tolist() == data.held_out.indices.tolist()
    assert source.asked == [(data.held_out.indices.tolist(), 4)]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (grey(9).astype(np.float32) * 9, "images are float32, from 0 to .*: they should be bytes"),
        (grey(9)[0], "images must be uint8 .*, but are uint8 of shape .8, 8."),
        (grey(9, size=9), "the images of data are 9×9×1, but the configuration says 8×8×1"),
        (DataSet(Arrays(grey(3)), Arrays(grey(3, size=9))), "the images of data.held_out are 9×9×1"),
        (grey(2), "training.held_out is 2, but there are only 2 images"),
        (grey(0), "data holds no images"),
        ([grey(9)], "data is of type list: it should be a uint8 array"),
        ("digits", "data is of type str: it should be a uint8 array"),
    ],
)
def test_what_is_no_data_is_explained(data, message):
    with pytest.raises(DataError, match=message):
        as_data_set(data, config(), held_out=2)
