"""Directions from labels: known directions are found, and unsuitable labels are refused."""

import numpy as np
import pytest

from alae_workbench.data.memory import Arrays
from alae_workbench.data.source import DataError
from alae_workbench.models.label_directions import fit_label_directions
from alae_workbench.models.latent_files import LatentImages

RANDOM = np.random.default_rng(0)
W = 6


class FakeModel:
    """The part of an opened model that `fit_label_directions` uses, with a given w."""

    def __init__(self, w):
        self.w = w.astype(np.float32)

    def encode_images(self, source):
        yield from np.array_split(self.w, 3)


def make_images(labels, names=()):
    return Arrays(np.zeros((len(labels), 4, 4, 1), np.uint8), labels, None, names)


def test_the_direction_of_an_attribute_in_w_is_found():
    """w has variance 1; images with the attribute are moved by 4 along (3, 4) / 5."""
    w, chosen = RANDOM.normal(size=(400, W)), np.arange(400) % 2
    unit = np.array([0.6, 0.8, 0, 0, 0, 0])
    w = w + 4 * chosen[:, None] * unit
    labels = make_images(np.stack([chosen, np.zeros(400, int)], 1), ("smile", "never"))
    (found,) = fit_label_directions(FakeModel(w), labels)
    assert found.name == "smile"
    assert found.vector @ unit / np.linalg.norm(found.vector) > 0.92
    assert np.linalg.norm(found.vector) == pytest.approx((w @ unit).std(), rel=0.1)
    assert found.accuracy > 0.94
    assert found.effect == pytest.approx(4, rel=0.2)
    assert found.origin == "linear SVM on 280 images"


def test_a_shift_is_the_difference_of_means_where_an_svm_avoids_variance():
    """Images with the attribute are moved by (2, 2); the first of these dimensions also varies for other reasons."""
    chosen = np.arange(4000) % 4 // 3
    w = [9, -5, 0, 0, 0, 0] + RANDOM.normal(size=(4000, W)) * [3, 0.5, 1, 1, 1, 1]
    w += chosen[:, None] * [2, 2, 0, 0, 0, 0]
    (shift,) = fit_label_directions(FakeModel(w), make_images(chosen), "shift")
    (svm,) = fit_label_directions(FakeModel(w), make_images(chosen), "svm")
    units = [found.vector / np.linalg.norm(found.vector) for found in (shift, svm)]
    assert units[0] == pytest.approx([0.707, 0.707, 0, 0, 0, 0], abs=0.1)
    assert units[1][0] < 0.2
    assert (shift.name, svm.name) == ("shift-class-1", "class-1")
    assert np.linalg.norm(shift.vector) == pytest.approx((w @ units[0]).std(), rel=0.01)
    # The means are 2√2 apart, with a variance of (9 + ¼) / 2 between them: Φ(√2 / 2.15) = 0.745.
    assert shift.accuracy == pytest.approx(0.745, abs=0.05)
    assert shift.effect == pytest.approx(2 * 2**0.5 / 2.15, abs=0.2)
    assert svm.accuracy > 0.95
    assert shift.origin == "difference of means of 2800 images"


@pytest.mark.parametrize("method", ["svm", "shift"])
def test_labels_unrelated_to_w_give_chance_accuracy(method):
    """There are so many dimensions that a direction fitted to the images it is tested on would separate them."""
    w, chosen = RANDOM.normal(size=(400, 200)), np.arange(400) % 2
    (found,) = fit_label_directions(FakeModel(w), make_images(chosen), method)
    assert found.accuracy == pytest.approx(0.5, abs=0.15)
    assert abs(found.effect) < 0.7


def test_latents_of_a_file_are_used_as_they_are():
    chosen = np.arange(400) % 2
    w = (RANDOM.normal(size=(400, W)) + 4 * chosen[:, None]).astype(np.float32)
    # The model would encode their images as noise.
    encoder = FakeModel(RANDOM.normal(size=(400, W)))
    (found,) = fit_label_directions(encoder, LatentImages(None, w, chosen, ("plain", "smiling")))
    assert found.name == "smiling"
    assert found.accuracy > 0.95


def test_each_class_gives_a_direction_with_its_name():
    classes = np.arange(300) % 3
    w = RANDOM.normal(size=(300, W)) + 5 * np.eye(3, W)[classes]
    found = fit_label_directions(FakeModel(w), make_images(classes, ("cat", "dog", "a fish/bird")))
    assert [each.name for each in found] == ["cat", "dog", "a-fish-bird"]
    assert all(each.accuracy > 0.9 for each in found)
    assert [int(each.vector.argmax()) for each in found] == [0, 1, 2]
    (only,) = fit_label_directions(FakeModel(w[:200]), make_images(np.arange(200) % 2))
    assert only.name == "class-1", "two classes give one direction"


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (None, "the images have no labels"),
        (np.ones(50, int), "all images have the class 1"),
        (np.arange(50), "none of the classes and two-valued attributes of these 50 images has at least 4 images with"),
        (np.arange(100).reshape(50, 2), "none of the classes and two-valued attributes"),
    ],
)
def test_unsuitable_labels_are_refused(labels, message):
    source = Arrays(np.zeros((50, 4, 4, 1), np.uint8), labels)
    with pytest.raises(DataError, match=message):
        fit_label_directions(FakeModel(RANDOM.normal(size=(50, W))), source)


@pytest.mark.parametrize("method", ["svm", "shift"])
def test_images_with_equal_encodings_are_refused(method):
    labels = make_images(np.arange(20) % 2)
    # Rounding differs between batches.
    rounding = RANDOM.normal(size=(20, W)) * 1e-7
    for w in (np.ones((20, W)), np.zeros((20, W)), np.ones((20, W)) + rounding):
        with pytest.raises(DataError, match="E encodes all 20 images alike, so no direction tells them apart"):
            fit_label_directions(FakeModel(w), labels, method)


def test_attributes_without_a_direction_are_named_with_the_reason():
    columns = {
        "smile": np.arange(60) % 2,
        "age": np.arange(60) % 5,
        "beard": (np.arange(60) < 2).astype(int),
        "bald": (np.arange(60) >= 3).astype(int),
        "human": np.ones(60, int),
        "alien": np.zeros(60, int),
        "copy": np.arange(60) // 2 % 2,
    }
    w = np.arange(60)[:, None] % 2 * RANDOM.normal(size=(1, W))
    lines = []
    source = make_images(np.stack(list(columns.values()), 1), tuple(columns))
    found = fit_label_directions(FakeModel(w), source, "shift", lines.append)
    assert "shift-smile" in [direction.name for direction in found]
    assert len(lines) == 1
    for part in (
        "age (5 values, not 2)",
        "beard (2 images with it)",
        "bald (3 images without it)",
        "human (all images have the value 1)",
        "alien (all images have the value 0)",
    ):
        assert part in lines[0]
