"""Images in memory: sequences of arrays, of images of PIL, and of images with labels."""

import io

import numpy as np
import pytest
from PIL import Image

from alae_workbench.data.in_hand import open_in_hand
from alae_workbench.data.load import as_data_set
from alae_workbench.data.options import SourceOptions
from alae_workbench.data.ranges import ValueRange
from alae_workbench.data.source import DataError, read_all
from alae_workbench.data.survey import survey_contents
from tests.helpers.data import grey_images, make_config

GREY = grey_images(5)


def load(data, **options):
    """Return all images, and their labels, in the order of `data`, and the data set."""
    found = as_data_set(data, make_config(), held_out=1, **options)
    count = len(found.train) + len(found.held_out)
    images, labels = np.empty((count, 8, 8), np.uint8), [None] * count
    for part in (found.train, found.held_out):
        images[part.indices] = read_all(part)[..., 0]
        for index, label in zip(part.indices, part.labels if part.labels is not None else [], strict=False):
            labels[index] = int(label)
    return images, labels, found


class Pairs:
    """A data set of PyTorch: indexed by numbers, with a length, and with names of classes."""

    classes = ("cat", "dog")

    def __init__(self, images, labels):
        self.images, self.labels = images, labels

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return self.images[index], self.labels[index]


class Subset:
    """A subset as PyTorch makes it, here with all items."""

    def __init__(self, dataset):
        self.dataset = dataset

    def __len__(self):
        return len(self.dataset)

    def __getitem__(self, index):
        return self.dataset[index]


def make_objects(images):
    array = np.empty(len(images), object)
    array[:] = list(images)
    return array


def encode(image):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


class Rows:
    """A data set of the Hugging Face library: dictionaries, with a description of their columns."""

    class ClassLabel:
        names = ("cat", "dog")

    features = {"img": None, "label": ClassLabel()}  # noqa: RUF012

    def __len__(self):
        return 5

    def __getitem__(self, index):
        return {"img": Image.fromarray(GREY[index]), "label": index % 2}


@pytest.mark.parametrize(
    ("data", "labels"),
    [
        (list(GREY), None),
        (tuple(GREY[..., None]), None),
        ([image / 255 for image in GREY], None),
        ([Image.fromarray(image) for image in GREY], None),
        ([(image, index % 2) for index, image in enumerate(GREY)], [0, 1, 0, 1, 0]),
        ([(Image.fromarray(image), f"{index}") for index, image in enumerate(GREY)], [0, 1, 2, 3, 4]),
        ((GREY, np.array([3, 1, 4, 1, 5])), [3, 1, 4, 1, 5]),
        (Pairs([Image.fromarray(image) for image in GREY], np.array([0, 1, 1, 0, 1])), [0, 1, 1, 0, 1]),
        (Rows(), [0, 1, 0, 1, 0]),
        ((GREY, [3, 1, 4, 1, 5]), [3, 1, 4, 1, 5]),
        (([Image.fromarray(image) for image in GREY], [3, 1, 4, 1, 5]), [3, 1, 4, 1, 5]),
        ({"x": GREY, "y": np.array([3, 1, 4, 1, 5]), "z": np.zeros(2)}, [3, 1, 4, 1, 5]),
        (make_objects(GREY), None),
        ([encode(image) for image in GREY], None),
        ([{"img": {"bytes": encode(image), "path": "/etc/passwd"}, "cls": 1} for image in GREY], [1] * 5),
        ([{"scan": image, "id": "a", "cls": 1} for image in GREY], [1] * 5),
        (Subset(Pairs(list(GREY), [0, 1, 1, 0, 1])), [0, 1, 1, 0, 1]),
    ],
    ids=[
        *("arrays", "tuple", "floats", "PIL", "pairs", "texts", "two arrays", "PyTorch", "Hugging Face"),
        *("array and list", "two lists", "named arrays", "objects", "bytes", "not decoded", "only image", "subset"),
    ],
)
def test_sequences_of_images_are_read(data, labels):
    images, found, data_set = load(data)
    assert np.array_equal(images, GREY)
    assert found == (labels or [None] * 5)
    if isinstance(data, (Pairs, Rows, Subset)):
        assert data_set.train.label_names == ("cat", "dog")


def test_images_of_several_sizes_and_modes_are_fitted_like_picture_files():
    wide = np.full((8, 16), 90, np.uint8)
    wide[:, :4] = wide[:, 12:] = 200
    images, _, _ = load([wide, Image.fromarray(wide).convert("RGB"), Image.fromarray(GREY[0])])
    assert (images[:2] == 90).all()
    assert np.array_equal(images[2], GREY[0])
    clear = np.dstack([wide, wide, wide, np.zeros_like(wide)])
    assert (load([clear, clear])[0] == 255).all(), "transparent pixels are not white"
    padded, _, _ = load([wide, GREY[0], GREY[1]], fit="pad")
    assert (padded[0, :2] == 0).all()
    assert survey_contents(open_in_hand([wide, GREY[0]]), "x").side == 8


def test_splits_by_name_are_trained_on_and_held_out():
    for convert in (Image.fromarray, np.asarray):
        data = {"train": [convert(image) for image in GREY[:3]], "test": [convert(image) for image in GREY[3:]]}
        found = as_data_set(data, make_config(), held_out=1)
        assert np.array_equal(read_all(found.train)[..., 0], GREY[:3])
        assert np.array_equal(read_all(found.held_out)[..., 0], GREY[3:])
    with pytest.raises(DataError, match=r"has the splits test: one of them must be for training; .* data\['test'\]"):
        open_in_hand({"test": list(GREY)})


def test_two_pairs_are_trained_on_and_held_out_as_keras_returns_them():
    pairs = [(GREY[:3], np.array([[0], [1], [2]])), (GREY[3:], np.array([[1], [0]]))]
    by_name = {"x_train": GREY[:3], "y_train": np.arange(3), "x_test": GREY[3:], "y_test": np.array([1, 0])}
    for data in (tuple(pairs), by_name):
        found = as_data_set(data, make_config(), held_out=1)
        assert np.array_equal(read_all(found.train)[..., 0], GREY[:3])
        assert np.array_equal(read_all(found.held_out)[..., 0], GREY[3:])
        assert (found.train.labels.tolist(), found.held_out.labels.tolist()) == ([0, 1, 2], [1, 0])


def test_a_column_of_type_class_label_holds_the_classes_and_truth_values_are_attributes():
    rows = [{"image": image, "animal": i % 2, "text": "a"} for i, image in enumerate(GREY)]
    typed = type("Typed", (list,), {"features": {"image": None, "text": None, "animal": Rows.ClassLabel()}})(rows)
    found = open_in_hand(typed).images
    assert (found.labels.tolist(), found.label_names) == ([0, 1, 0, 1, 0], ("cat", "dog"))
    assert found.label_text == "2 classes from data (columns not used: 'text')"
    assert open_in_hand(rows).images.label_text == "none (columns not used: 'animal', 'text')"
    found = open_in_hand([{"image": x, "smile": i > 2, "hat": i < 1} for i, x in enumerate(GREY)]).images
    assert found.labels.tolist() == [[0, 1], [0, 0], [0, 0], [1, 0], [1, 0]]
    assert found.label_names == ("smile", "hat")


def test_names_of_other_classes_are_not_used_for_attributes_and_captions_are_no_classes():
    found = open_in_hand(Pairs(list(GREY), [[0, 1, 1]] * 5)).images
    assert (found.labels.shape, found.label_names) == ((5, 3), ())
    many = [(image, f"photo {i}") for i, image in enumerate(np.repeat(GREY, 5, 0))]
    assert open_in_hand(many).images.labels is None


def test_the_rows_of_a_table_are_items():
    class Frame:
        __module__ = "pandas.core.frame"
        columns = ("image", "label")

        def to_dict(self, kind):
            assert kind == "records"
            return [{"image": image, "label": 1} for image in GREY]

    assert np.array_equal(load(Frame())[0], GREY)


def test_the_range_of_arrays_in_memory_can_be_stated():
    deep = GREY.astype(np.uint16) * 16
    images, _, data = load(deep, options=SourceOptions(range=ValueRange(0, 4080)))
    assert np.array_equal(images, GREY)
    assert data.interpretation == "numbers in 0 … 4080"
    images, _, data = load([Image.fromarray(image) for image in deep])
    assert np.abs(images - GREY * (4080 / 4095)).max() <= 0.51
    assert data.value_range == "0..4095"


def test_a_missing_label_is_no_label():
    found = open_in_hand([(GREY[0], 1), (GREY[1], None), (GREY[2], 0)]).images
    assert found.label_text == "2 classes, 1 of 3 images without a label, from data"


class Tensor:
    __module__ = "torch"
    shape, dtype = (5, 8, 8), "torch.float32"

    def __len__(self):
        return 5

    def __getitem__(self, index):
        return self


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (Tensor(), r"data is a tensor of torch: pass data\.cpu\(\)\.numpy\(\)"),
        (
            [(Tensor(), 1)],
            r"the images of data are tensors of torch: leave out the transform that makes them, such as ToTensor, or "
            r"pass \[\(image\.cpu\(\)\.numpy\(\), label\) for image, label in data\]",
        ),
        ([1], "data is of type list; it must be a uint8 array .*; item 0 is 1"),
        (
            ["a.png"],
            r"item 0 of data is a path, 'a.png': pass the folder .* \[PIL.Image.open\(path\) for path in data\]",
        ),
        ([{"text": "a"}], "item 0 of data has no image; its keys are text: pass pairs of an image and a label"),
        ([{"a": GREY[0], "b": GREY[1]}], "item 0 of data has several images; its keys are a, b"),
        ([{"image": GREY[0], "label": 1}, {"image": GREY[0]}], "item 1 of data has no 'label', as the first item has"),
        ([], "data holds no images"),
        ((image for image in GREY), r"data is of type generator, which has no items .*: pass list\(data\)"),
        (
            type("DataLoader", (), {"__iter__": None, "dataset": 0})(),
            "of type DataLoader, which makes batches: pass data.dataset",
        ),
        (type("Keyed", (), {"__getitem__": {}.__getitem__, "__len__": lambda self: 2})(), "item 0 of data cannot be"),
        ([GREY[0] / 2.0, GREY[1][:4]], r"arrays of several shapes, so they must be bytes \(uint8\)"),
        (type("Stream", (), {"__getitem__": None})(), "data is of type Stream and has no length: pass a list"),
    ],
)
def test_other_data_is_refused_with_the_way_out(data, message):
    with pytest.raises(DataError, match=message):
        open_in_hand(data)
