"""Data sources: what they hold, and what each broken one is told."""

import gzip
import struct

import numpy as np
import pytest
from PIL import Image

from alae_core import load_config
from alae_workbench.data.images import DataError, Images, to_float, to_uint8
from alae_workbench.data.sources import load_data, load_images
from tests.conftest import REPOSITORY

MNIST = REPOSITORY.parent / "shared" / "data" / "mnist"
FACES = REPOSITORY.parent / "shared" / "data" / "faces128"


def config(data, **overrides):
    overrides = {"training.data": str(data), "training.held_out": 2} | overrides
    return load_config("digits-mlp", overrides=overrides)


def write_idx(path, array):
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    with (gzip.open if path.suffix == ".gz" else open)(path, "wb") as file:
        file.write(header + array.tobytes())


def grey(count, size=8):
    return np.random.default_rng(0).integers(0, 256, (count, size, size), np.uint8)


def test_float_images_are_bytes_over_127_5_minus_1():
    levels = np.arange(256, dtype=np.uint8)
    floats = to_float(levels)
    assert floats.dtype == np.float32
    assert (floats[0], floats[-1]) == (-1, 1)
    assert np.array_equal(to_uint8(floats), levels)
    assert list(to_uint8(np.array([-7.0, 7.0]))) == [0, 255]


def test_digits_are_embedded_and_split_the_same_way_for_every_seed():
    data = load_data(load_config("digits-mlp"))
    again = load_data(load_config("digits-mlp", overrides={"training.seed": 9}))
    assert (len(data.train), len(data.held_out)) == (1437, 360)
    assert data.train.pixels.shape == (1437, 8, 8, 1)
    assert (data.train.pixels.min(), data.train.pixels.max()) == (0, 255)
    assert np.array_equal(data.held_out.pixels, again.held_out.pixels)
    rows = {image.tobytes() for image in data.train.pixels}
    assert not any(image.tobytes() in rows for image in data.held_out.pixels)


@pytest.mark.skipif(not MNIST.exists(), reason=f"the real MNIST files are not in {MNIST}")
def test_real_mnist_as_an_idx_folder():
    data = load_data(load_config("mnist-mlp", overrides={"training.data": str(MNIST)}))
    assert (len(data.train), len(data.held_out)) == (60_000, 10_000)
    assert np.bincount(data.train.labels).tolist()[:2] == [5923, 6742]


@pytest.mark.skipif(not FACES.exists(), reason=f"the sample faces are not in {FACES}")
def test_real_faces_as_a_folder():
    data = load_data(config(FACES, image=[32, 32, 3], **{"training.held_out": 10}))
    assert data.train.pixels.shape == (136, 32, 32, 3)


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_idx_folders(tmp_path, ending):
    for part, count in (("train", 5), ("t10k", 3)):
        write_idx(tmp_path / f"{part}-images-idx3-ubyte{ending}", grey(count))
        write_idx(tmp_path / f"{part}-labels-idx1-ubyte{ending}", np.arange(count, dtype=np.uint8))
    data = load_data(config(tmp_path))
    assert np.array_equal(data.train.pixels[..., 0], grey(5))
    assert data.held_out.labels.tolist() == [0, 1, 2]
    assert np.array_equal(load_images(str(tmp_path), config("digits")).labels, [0, 1, 2])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x00\x00\x08\x03" + struct.pack(">3I", 5, 8, 8) + b"short", "is cut short: its header promises 5×8×8"),
        (b"PNG?", "is no IDX file of bytes: it must start with 00 00 08, not .50 4e 47"),
        (b"", "is no IDX file of bytes"),
        (b"\x00\x00\x08\x03\x00", "is cut short: it ends within its header"),
    ],
)
def test_broken_idx_files_are_named(tmp_path, content, message):
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(content)
    write_idx(tmp_path / "t10k-images-idx3-ubyte", grey(3))
    with pytest.raises(DataError, match=message) as caught:
        load_data(config(tmp_path))
    assert str(path) in str(caught.value)


def test_npz_with_and_without_a_test_split(tmp_path):
    np.savez(tmp_path / "one.npz", images=grey(7), labels=np.arange(7))
    data = load_data(config(tmp_path / "one.npz"))
    assert (len(data.train), len(data.held_out)) == (5, 2)
    np.savez(tmp_path / "two.npz", x_train=grey(7), x_test=grey(3))
    assert len(load_data(config(tmp_path / "two.npz")).held_out) == 3


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"pictures": grey(3)}, "must hold 'images' .*it holds pictures"),
        ({"images": grey(3).astype(float)}, "images must be uint8 .* but are float64"),
        ({"images": grey(3), "labels": np.arange(2)}, "there are 3 images, but 2 labels"),
        ({"images": np.array([object()])}, "cannot be read as an .npz of plain arrays"),
        ({"images": grey(3, size=9)}, r"are 9×9×1, but the configuration says 8×8×1: .*--set image=\[9,9,1\]"),
        ({"images": grey(2)}, "training.held_out is 2, but there are only 2 images"),
    ],
)
def test_broken_npz_files_are_explained(tmp_path, arrays, message):
    np.savez(tmp_path / "mine.npz", **arrays)
    with pytest.raises(DataError, match=message):
        load_data(config(tmp_path / "mine.npz"))


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
    images = load_images(str(tmp_path), config("digits", image=[8, 8, 3]))
    assert images.pixels.shape == (5, 8, 8, 3)
    assert images.labels.tolist() == [0, 0, 0, 1, 1]
    # Cropped about the centre, every picture is still dark on its left and bright on its right.
    assert images.pixels[:, :, :3].max() < 60
    assert images.pixels[:, :, 5:].min() > 200
    assert load_images(str(tmp_path), config("digits")).pixels.shape == (5, 8, 8, 1)


def test_exif_orientation_is_applied(tmp_path):
    pixels = np.zeros((8, 8), np.uint8)
    pixels[:, 4:] = 255
    exif = Image.Exif()
    exif[0x0112] = 3  # turned by 180°
    Image.fromarray(pixels).save(tmp_path / "turned.png", exif=exif)
    found = load_images(str(tmp_path / "turned.png"), config("digits")).pixels[0, :, :, 0]
    assert found[:, :4].min() > 200


def test_unreadable_images_are_named_and_can_be_skipped(tmp_path):
    photos(tmp_path)
    (tmp_path / "a" / "torn.png").write_bytes((tmp_path / "a" / "0.png").read_bytes()[:40])
    (tmp_path / "a" / "text.jpg").write_text("no image")
    with pytest.raises(DataError, match=r"2 of 7 images .* cannot be read") as caught:
        load_data(config(tmp_path))
    assert "torn.png" in str(caught.value)
    assert "text.jpg" in str(caught.value)
    data = load_data(config(tmp_path), skip_bad=True)
    assert (len(data.train) + len(data.held_out), data.skipped) == (5, 2)


def test_nothing_readable_cannot_be_skipped(tmp_path):
    (tmp_path / "text.jpg").write_text("no image")
    with pytest.raises(DataError, match="1 of 1 images"):
        load_data(config(tmp_path), skip_bad=True)


def test_a_missing_path_lists_what_could_be_given(tmp_path):
    for name in (tmp_path / "nowhere", ""):
        with pytest.raises(DataError, match=f"there is no data '{name}': give one of digits, mnist, fashion_mnist"):
            load_data(config(name))
    with pytest.raises(DataError, match="there are no images in"):
        load_data(config(tmp_path))


def test_labels_must_fit_the_data(tmp_path):
    with pytest.raises(DataError, match="labels is 5, but digits has class 9: use --set labels=10"):
        load_data(config("digits", labels=5))
    np.savez(tmp_path / "bare.npz", images=grey(7))
    with pytest.raises(DataError, match=r"has no labels: use --set labels=0"):
        load_data(config(tmp_path / "bare.npz", labels=5))


def test_a_download_that_fails_names_the_cache_and_the_alternatives(monkeypatch, tmp_path):
    import keras

    def fail():
        raise Exception("URL fetch failure on …: None -- offline")

    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(keras.datasets.mnist, "load_data", fail)
    with pytest.raises(DataError, match="mnist cannot be read: URL fetch failure") as caught:
        load_data(load_config("mnist-mlp"))
    assert str(tmp_path / "datasets" / "mnist.npz") in str(caught.value)
    assert "--data digits" in str(caught.value)


def test_images_select_with_their_labels():
    images = Images(grey(5), np.arange(5))
    chosen = images[np.array([4, 0])]
    assert chosen.labels.tolist() == [4, 0]
    assert np.array_equal(chosen.pixels, images.pixels[[4, 0]])
