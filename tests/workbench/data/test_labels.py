"""Labels as class numbers or attributes."""

import numpy as np
import pytest

from alae_workbench.data.labels import select_labels
from alae_workbench.data.memory import Arrays
from alae_workbench.data.source import DataError
from tests.helpers.data import grey_images, make_config


def test_labels_are_selected_for_models_with_labels():
    source = Arrays(grey_images(5), np.arange(5))
    assert select_labels(source, np.array([3, 1]), make_config(labels=5)).tolist() == [3, 1]
    assert select_labels(source, slice(2), make_config(labels=5)).tolist() == [0, 1]
    assert select_labels(source, np.array([3, 1]), make_config()) is None
    assert select_labels(Arrays(grey_images(5)), np.array([3, 1]), make_config()) is None


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (np.array([3.0, 1.0], np.float32), np.array([3, 1])),
        (np.array([[3], [1]], np.uint8), np.array([3, 1])),
        (np.array([True, False]), np.array([1, 0])),
        (np.array([[1, -1, 1], [0, 1, 1]], np.int8), np.array([[1, -1, 1], [0, 1, 1]])),
        (np.array([[0.5, 1], [0, 1]]), np.array([[0.5, 1], [0, 1]])),
    ],
)
def test_labels_are_class_numbers_or_attributes(given, kept):
    found = Arrays(grey_images(2), given).labels
    assert found.dtype == kept.dtype
    assert np.array_equal(found, kept)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.array([0.5, 1.0]), "labels must be class numbers, which are integers, but one is 0.5"),
        (np.array([np.inf, 1.0]), "labels must be class numbers, which are integers, but one is inf"),
        (np.zeros((2, 2, 2)), r"labels must be class numbers .*, but are float64 of shape \(2, 2, 2\)"),
        (np.array(["cat", "dog"]), "labels must be class numbers .*, but are <U3"),
        (np.zeros((3, 2)), "there are 2 images, but 3 labels"),
    ],
)
def test_other_labels_are_refused(labels, message):
    with pytest.raises(DataError, match=message):
        Arrays(grey_images(2), labels)
