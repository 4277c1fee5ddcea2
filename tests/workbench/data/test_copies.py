"""Exact copies of training images among held-out images."""

import shutil

import numpy as np
import pytest
from PIL import Image

from alae_workbench.data import collection
from alae_workbench.data.copies import describe_copies
from alae_workbench.data.labels import describe_origin
from alae_workbench.data.load import load_data
from tests.helpers.data import make_config, random_pixels

LINE = (
    "{} of 6 held-out images {} of training images, so measures of held-out images are too good: remove the copies"
).format


@pytest.mark.parametrize("kept_bytes", [2**30, 0], ids=["in memory", "decoded on request"])
def test_the_same_pictures_in_both_splits_are_counted(tmp_path, monkeypatch, kept_bytes):
    monkeypatch.setattr(collection, "_KEPT_BYTES", kept_bytes)
    for number, image in enumerate(random_pixels(18, 8)):
        folder = tmp_path / ("train" if number < 12 else "val")
        folder.mkdir(exist_ok=True)
        Image.fromarray(image).save(folder / f"{number}.png")
    config = make_config(image=[12, 12, 3])
    assert describe_copies(load_data(str(tmp_path), config, margin=2, held_out=1)) == []
    shutil.copy(tmp_path / "train" / "3.png", tmp_path / "val" / "15.png")
    assert describe_copies(load_data(str(tmp_path), config, margin=2, held_out=1)) == [LINE(1, "is a copy")]
    # The same picture in another file format.
    with Image.open(tmp_path / "train" / "4.png") as image:
        image.save(tmp_path / "val" / "16.png", compress_level=0)
    data = load_data(str(tmp_path), config, margin=2, held_out=1)
    assert describe_origin(data) == ["labels: none", LINE(2, "are copies")]


def test_copies_in_one_source_are_counted_once_it_is_split(tmp_path):
    pixels = random_pixels(12, 8, channels=1)
    np.save(tmp_path / "twice.npy", np.concatenate([pixels, pixels]))
    (line,) = describe_copies(load_data(str(tmp_path / "twice.npy"), make_config(), held_out=6))
    assert line in {LINE(count, "are copies") for count in range(2, 7)}
    np.savez(tmp_path / "splits.npz", x_train=pixels, x_test=pixels[:6])
    assert describe_copies(load_data(str(tmp_path / "splits.npz"), make_config(), held_out=6)) == [
        LINE(6, "are copies")
    ]
