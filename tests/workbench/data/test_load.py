"""Images loaded for a configuration, from data sources and from memory."""

import numpy as np
import pytest

from alae_workbench.data import load
from alae_workbench.data.collection import DecodedOnRequest
from alae_workbench.data.derived import split
from alae_workbench.data.load import as_data_set, fit_images, load_images
from alae_workbench.data.memory import Arrays
from alae_workbench.data.source import DataError, DataSet, read_all
from tests.conftest import tiny_style_config
from tests.helpers.data import grey_images, load_for_training, make_config, write_photos


def test_messages_for_a_trained_model_do_not_advise_changing_it(tmp_path):
    np.savez(tmp_path / "mine.npz", images=grey_images(3, size=9))
    with pytest.raises(DataError, match="give a folder of picture files, which are resized and converted"):
        load_images(str(tmp_path / "mine.npz"), make_config())
    np.savez(tmp_path / "mine.npz", images=grey_images(3))
    with pytest.raises(DataError, match=r"has no labels: give images of the model's classes 0 … 4"):
        load_images(str(tmp_path / "mine.npz"), make_config(labels=5))


def test_a_trained_model_keeps_few_pictures_in_memory(tmp_path, monkeypatch):
    write_photos(tmp_path)
    kept = load_images(str(tmp_path), make_config())
    monkeypatch.setattr(load, "_KEPT_FOR_MODELS", 100)
    found = load_images(str(tmp_path), make_config())
    assert (type(kept), type(found)) == (Arrays, DecodedOnRequest)
    assert np.array_equal(read_all(found), read_all(kept))
    assert isinstance(load_for_training(tmp_path).train.source, Arrays)


def test_errors_name_unreadable_pictures_which_can_be_skipped(tmp_path):
    write_photos(tmp_path)
    (tmp_path / "a" / "torn.png").write_bytes((tmp_path / "a" / "0.png").read_bytes()[:40])
    (tmp_path / "a" / "text.jpg").write_text("no image")
    with pytest.raises(DataError, match=r"2 of 7 images .* cannot be read") as caught:
        load_for_training(tmp_path)
    assert "torn.png" in str(caught.value)
    assert "text.jpg" in str(caught.value)
    data = load_for_training(tmp_path, skip_bad=True)
    assert (len(data.train) + len(data.held_out), data.skipped) == (5, 2)


def test_unreadable_pictures_for_a_trained_model_are_refused_or_skipped_and_counted(tmp_path):
    write_photos(tmp_path)
    (tmp_path / "a" / "text.jpg").write_text("no image")
    with pytest.raises(DataError, match=r"1 of 6 images .* cannot be read") as caught:
        load_images(str(tmp_path), make_config())
    assert str(caught.value).endswith("; to leave them out, pass skip_bad (--skip-bad)")
    lines = []
    assert len(load_images(str(tmp_path), make_config(), tell_skipped=lines.append)) == 5
    assert lines == [f"1 unreadable image in {tmp_path} skipped"]


def test_skip_bad_does_not_help_if_no_picture_is_readable(tmp_path):
    (tmp_path / "text.jpg").write_text("no image")
    with pytest.raises(DataError, match="1 of 1 images") as caught:
        load_for_training(tmp_path, skip_bad=True)
    assert "skip_bad" not in str(caught.value).replace(str(tmp_path), "")


def test_labels_must_fit_the_configuration(tmp_path):
    with pytest.raises(DataError, match="labels is 5, but digits has class 9: set labels=10"):
        load_for_training("digits", labels=5)
    np.savez(tmp_path / "bare.npz", images=grey_images(7))
    with pytest.raises(DataError, match="has no labels: set labels=0"):
        load_for_training(tmp_path / "bare.npz", labels=5)
    with pytest.raises(DataError, match="labels is 5, but data has class -1; classes count from 0"):
        as_data_set(Arrays(grey_images(7), np.arange(-1, 6)), make_config(labels=5), held_out=2)
    with pytest.raises(DataError, match="labels is 5, but data has 3 attributes per image, not a class: set labels=0"):
        as_data_set(Arrays(grey_images(7), np.ones((7, 3))), make_config(labels=5), held_out=2)


def test_trained_style_models_need_labels_only_where_E_estimates_z():
    config = tiny_style_config(labels=3)
    images = Arrays(np.zeros((2, 8, 8, 2), np.uint8))
    assert len(fit_images("mine", images, config)) == 2
    with pytest.raises(DataError, match="labels is 3, but data has no labels: set labels=0"):
        as_data_set(images, config, held_out=1)
    with pytest.raises(DataError, match="labels is 3, but mine has no labels: give images of the model's classes"):
        fit_images("mine", images, tiny_style_config(labels=3, reciprocity="z", networks__z=7))


def test_images_in_memory_become_a_data_set():
    pixels = grey_images(9)
    data = as_data_set(pixels, make_config(), held_out=2)
    assert (len(data.train), len(data.held_out), data.skipped) == (7, 2, 0)
    assert np.array_equal(read_all(data.train)[..., 0], pixels[data.train.indices])
    train, held_out = split(Arrays(pixels), 2)
    assert (data.train.fingerprint, data.held_out.fingerprint) == (train.fingerprint, held_out.fingerprint)
    labelled = as_data_set(Arrays(pixels, np.arange(9)), make_config(labels=9), held_out=2)
    assert np.array_equal(np.sort([*labelled.train.labels, *labelled.held_out.labels]), np.arange(9))
    assert as_data_set(pixels[:, 1:-1, 1:-1], make_config(), held_out=2, margin=1).train.shape == (8, 8, 1)
    again = as_data_set(labelled, make_config(labels=9), held_out=5, margin=1)
    assert again == labelled, "a data set was split or padded again"


class Generated:
    """A custom source: image i has the grey level i."""

    labels, shape = None, (8, 8, 1)

    def __init__(self):
        self.asked = []

    @property
    def fingerprint(self):
        raise AssertionError("the fingerprint was computed")

    def __len__(self):
        return 5

    def images(self, indices, size=None):
        self.asked.append((indices.tolist(), size))
        return np.tile(indices.astype(np.uint8)[:, None, None, None], (size or 8, size or 8, 1))


def test_a_custom_source_is_read_only_when_needed():
    source = Generated()
    data = as_data_set(source, make_config(), held_out=2)
    assert source.asked == []
    assert np.unique(read_all(data.held_out, 4)).tolist() == data.held_out.indices.tolist()
    assert source.asked == [(data.held_out.indices.tolist(), 4)]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (grey_images(9).astype(np.float32) * 9, "images are float32, from 0 to .*; they must be bytes"),
        (grey_images(9)[0], "images must be uint8 .*, but are uint8 of shape .8, 8."),
        (grey_images(9, size=9), "the images of data are 9×9×1, but the configuration says 8×8×1"),
        (DataSet(Arrays(grey_images(3)), Arrays(grey_images(3, size=9))), "the images of data.held_out are 9×9×1"),
        (grey_images(2), "training.held_out is 2, but there are only 2 images"),
        (grey_images(0), "data holds no images"),
        ([grey_images(9)], "data is of type list; it must be a uint8 array"),
        ("digits", "data is of type str; it must be a uint8 array"),
    ],
)
def test_other_objects_are_refused(data, message):
    with pytest.raises(DataError, match=message):
        as_data_set(data, make_config(), held_out=2)
