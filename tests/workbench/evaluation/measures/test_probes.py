"""Classifiers on representations, recomputed directly; and images without usable classes."""

from typing import get_args

import numpy as np
import pytest
from sklearn.svm import LinearSVC

import alae_core as alae
from alae_core import View
from alae_workbench.data.memory import Arrays
from alae_workbench.data.source import DataSet
from alae_workbench.evaluation.evaluate import take_due, take_measures
from alae_workbench.evaluation.measures.probes import Representation, probe
from alae_workbench.evaluation.registry import NEIGHBOURS, UnmeasurableError, resolve_measures
from alae_workbench.evaluation.subject import Subject
from tests.conftest import tiny_config, tiny_style_config
from tests.helpers.images import CLASSES, PIXELS, make_data

RANDOM = np.random.default_rng(0)
#: images of the tiny style model
LARGER = RANDOM.integers(0, 256, (7, 8, 8, 2), np.uint8)


def make_data_with(labels=None):
    images = Arrays(LARGER, labels)
    return DataSet(images, images)


def nearest_neighbour(subject, representation="w"):
    return probe(subject, "nn", representation, NEIGHBOURS)


def test_probes_equal_a_direct_computation_on_all_training_images(model):
    """Held-out pixels repeat training pixels, so their nearest neighbour always has the right class."""
    subject = Subject(model, make_data())
    values = {f"{c}_{name}": probe(subject, c, name) for c in ("nn", "svm") for name in get_args(Representation)}
    assert take_measures(subject, resolve_measures(["probes"])).values.items() >= values.items()
    assert values["nn_pixels"] == values["nn_pca"] == 1
    train, held_out = (
        model.encode(source.images(np.arange(len(source)))) for source in (subject.train, subject.held_out)
    )
    nearest = np.square(held_out[:, None] - train[None]).sum(2).argmin(1)
    right = subject.held_out.labels
    assert values["nn_w"] == pytest.approx((CLASSES[nearest] == right).mean())
    mean, deviation = train.mean(0), train.std(0)
    svm = LinearSVC(dual=False, C=1.0, random_state=0).fit((train - mean) / deviation, CLASSES)
    assert values["svm_w"] == pytest.approx(svm.score((held_out - mean) / deviation, right), abs=1 / 17)


@pytest.mark.parametrize("family", ["mlp", "plain", "style"])
def test_w_is_an_affine_map_of_the_long_features(backend, family):
    """This holds for style networks and plain encoders; for perceptrons, the features are the widest layer."""
    if family == "mlp":
        model = alae.build(tiny_config())
        assert model.hidden(PIXELS).shape == (40, max(model.config.networks.E.hidden))
        return
    model = alae.build(tiny_style_config(networks__encoder=family))
    x = RANDOM.uniform(-1, 1, (60, 8, 8, 2)).astype(np.float32)
    hidden, w = model.hidden(x), model.encode(x)
    columns = np.hstack([hidden, np.ones((60, 1), np.float32)]).astype(np.float64)
    affine, *_ = np.linalg.lstsq(columns, w, rcond=None)
    np.testing.assert_allclose(columns @ affine, w, rtol=1e-2, atol=1e-2 * w.std())
    # The shape stays the same while a level fades in.
    assert model.hidden(x, View(1, 0.5)).shape == hidden.shape


def test_long_features_need_a_hidden_layer(backend):
    model = alae.build(tiny_config(networks__E__hidden=[]))
    outcome = take_measures(Subject(model, make_data()), ["nn_long"])
    assert outcome == ({}, {"nn_long": "networks.E.hidden is []: give E at least one hidden layer"})


@pytest.mark.parametrize(
    ("labels", "reason"),
    [(np.ones(40, int), "every training image is of one class, 1"), (np.zeros((40, 2), int), "several attributes")],
)
def test_labels_without_two_classes_are_refused(model, labels, reason):
    with pytest.raises(UnmeasurableError, match=reason):
        probe(Subject(model, make_data(labels)), "nn", "w")


def test_neighbours_are_encoded_in_batches(backend, batch_sizes):
    subject = Subject(alae.build(tiny_style_config()), make_data_with(np.arange(7)), View(1))
    assert nearest_neighbour(subject) == 1, "each image is its own neighbour"
    assert nearest_neighbour(subject, "pixels") == 1
    assert max(batch_sizes) == 3


def test_pixels_of_large_images_are_compared_at_32_per_side(backend):
    """Means of 2×2 blocks distinguish these images. Images that are not square are compared at their own size."""
    model, random = alae.build(tiny_config(image=[64, 64, 1])), np.random.default_rng(0)
    blocks = random.integers(0, 200, (6, 32, 32, 1), np.uint8).repeat(2, axis=1).repeat(2, axis=2)
    held_out = blocks.copy()
    held_out[:, ::2, ::2] += 40
    held_out[:, 1::2, 1::2] -= np.minimum(held_out[:, 1::2, 1::2], 40)
    sizes = []

    class RecordedArrays(Arrays):
        def images(self, indices, size=None):
            sizes.append(size)
            return super().images(indices, size)

    labels = np.arange(6)
    data = DataSet(RecordedArrays(blocks, labels), RecordedArrays(held_out, labels))
    assert nearest_neighbour(Subject(model, data), "pixels") == 1
    assert set(sizes) == {32}
    for shape in ((48, 48, 1), (64, 32, 1), (28, 28, 1)):
        sizes.clear()
        images = RecordedArrays(random.integers(0, 256, (6, *shape), np.uint8), labels)
        assert nearest_neighbour(Subject(model, DataSet(images, images)), "pixels") == 1
        assert set(sizes) == {None}


def test_neighbours_are_encoded_at_the_blend_of_the_view(backend):
    """A run stopped in a fade reports accuracy and errors of the same model."""
    model, views = alae.build(tiny_style_config()), []
    encode = model.encode
    model.encode = lambda x, view=None, **options: views.append(view) or encode(x, view, **options)
    nearest_neighbour(Subject(model, make_data_with(np.arange(7)), View(1, 0.25)))
    assert set(views) == {View(1, 0.25)}


def test_a_run_without_usable_classes_omits_nearest_neighbour_measures(backend):
    model = alae.build(tiny_style_config())
    for labels, reason in (
        (None, "no labels"),
        (np.zeros((7, 3), int), "several attributes"),
        (np.ones(7, int), "one cl"),
    ):
        with pytest.raises(UnmeasurableError, match=reason):
            nearest_neighbour(Subject(model, make_data_with(labels)))
    values = take_due(Subject(model, make_data_with()), "end")
    measures = {"reciprocity_error", "reconstruction_error", "mean_image_error", "nearest_image_error", "overfitting"}
    assert values.keys() == measures
