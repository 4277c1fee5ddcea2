"""TFRecords as StyleGAN and ALAE wrote them: valid, damaged, and with other features."""

import pickle
import subprocess
import sys

import numpy as np
import pytest

from alae_workbench import DataError
from alae_workbench.data.collection import decode
from alae_workbench.data.resolve import open_source
from alae_workbench.data.source import read_all
from alae_workbench.data.survey import survey
from tests.helpers.tfrecords import example, field, image_example, record, write_records

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), np.uint8)


def read(path, shape=(8, 8, 3)):
    images, faults = decode(open_source(str(path)), shape)
    assert faults == []
    return images


def test_records_are_images(tmp_path):
    path = write_records(tmp_path / "x.tfrecords", [image_example(image) for image in IMAGES])
    assert np.array_equal(read_all(read(path)), IMAGES)
    pictures = open_source(str(path))
    assert np.array_equal(pickle.loads(pickle.dumps(pictures.files[-1])).read(), IMAGES[-1])
    assert (list(pictures.names), str(pictures.files[2])) == (list("01234"), f"{path}: 2")
    assert [file.place.name for file in pictures.files[1:3]] == ["1", "2"]
    seen = survey(str(path))
    assert (seen.count, seen.side, seen.channels) == (5, 8, 3)


@pytest.mark.parametrize(
    ("shape", "order"), [((8, 8, 3), (0, 1, 2)), ((3, 8, 8), (2, 0, 1))], ids=["channels last", "channels first"]
)
@pytest.mark.parametrize("packed", [True, False])
def test_channels_may_come_first_or_last(tmp_path, shape, order, packed):
    content = example(packed, shape=shape, data=IMAGES[0].transpose(order).tobytes())
    assert np.array_equal(read_all(read(write_records(tmp_path / "x.tfrecords", [content])))[0], IMAGES[0])


@pytest.mark.parametrize("shape", [(8, 8), (1, 8, 8), (8, 8, 1)])
def test_grey_images_may_lack_the_axis_of_channels(tmp_path, shape):
    path = write_records(tmp_path / "x.tfrecords", [example(data=IMAGES[0, ..., 0].tobytes(), shape=shape)])
    assert np.array_equal(read_all(read(path, (8, 8, 1)))[0, ..., 0], IMAGES[0, ..., 0])


def test_a_folder_gives_all_parts_of_the_highest_resolution(tmp_path):
    for level in (2, 3):
        images = IMAGES[:, : 2**level, : 2**level]
        for part in range(2):
            path = tmp_path / f"faces-r{level:02d}.tfrecords.{part:03d}"
            write_records(path, [image_example(image) for image in images[part * 3 : part * 3 + 3]])
    assert np.array_equal(read_all(read(tmp_path)), IMAGES)
    assert len(open_source(str(tmp_path)).stored) == 2
    write_records(tmp_path / "cats-r03.tfrecords", [])
    with pytest.raises(DataError, match="several data sets, such as cats and faces: give a folder of one, or a file"):
        open_source(str(tmp_path))
    assert len(read(tmp_path / "faces-r03.tfrecords.001")) == 2


@pytest.mark.parametrize(
    ("given", "labels", "names"),
    [
        ([(3,), (0,), (2**40,)], [3, 0, 2**40], ()),
        ([b"dog", b"cat", b"dog"], [1, 0, 1], ("cat", "dog")),
        ([(0, 1), (1, 0), (0, 1)], [1, 0, 1], ()),
        ([(0, 5), (1, 0), (0, 1)], [[0, 5], [1, 0], [0, 1]], ()),
    ],
    ids=["numbers", "texts", "one-hot", "attributes"],
)
def test_records_have_labels(tmp_path, given, labels, names):
    examples = [image_example(image, label=label) for image, label in zip(IMAGES, given, strict=False)]
    found = open_source(str(write_records(tmp_path / "x.tfrecords", examples)))
    assert (found.labels.tolist(), found.label_names) == (labels, names)


@pytest.mark.parametrize("labels", [np.array([1, 0, 2, 1, 0]), np.eye(3, dtype="f4")[[1, 0, 2, 1, 0]]])
def test_labels_may_be_in_a_file_beside_the_records(tmp_path, labels):
    write_records(tmp_path / "x-r03.tfrecords", [image_example(image) for image in IMAGES])
    with (tmp_path / "x-rxx.labels").open("wb") as file:
        np.save(file, labels)
    assert read(tmp_path).labels.tolist() == [1, 0, 2, 1, 0]
    assert read(tmp_path / "x-r03.tfrecords").labels.tolist() == [1, 0, 2, 1, 0]
    assert [file.name for file in open_source(str(tmp_path)).stored] == ["x-r03.tfrecords", "x-rxx.labels"]
    with (tmp_path / "x-rxx.labels").open("wb") as file:
        np.save(file, labels[1:])
    with pytest.raises(DataError, match=r"x-rxx.labels holds an array of shape \(4.*, but there are 5 images"):
        open_source(str(tmp_path))


WHOLE = record(image_example(IMAGES[0]))


def flip_bit(content, place):
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "there are no images in .*x.tfrecords: its TFRecords are empty"),
        (WHOLE + b"abc", "it ends within the header of record 1"),
        (WHOLE[:-1], f"record 0 has {len(WHOLE) - 16} bytes, but the file ends within it"),
        (record(image_example(IMAGES[0]), 2**62), f"record 0 has {2**62:,} bytes, but the file ends within it"),
        (flip_bit(WHOLE, 1), "the checksum of the length of record 0 is wrong"),
        (record(image_example(IMAGES[0], label=(1,))) + WHOLE, "1 of 2 records have a label; give all or none a label"),
        (
            record(image_example(IMAGES[0], label=(1,))) + record(image_example(IMAGES[0], label=b"x")),
            "labels must be one text, or the same number of integers in each record",
        ),
    ],
)
def test_invalid_files_are_refused(tmp_path, content, message):
    (tmp_path / "x.tfrecords").write_bytes(content)
    with pytest.raises(DataError, match=message):
        open_source(str(tmp_path / "x.tfrecords"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (flip_bit(WHOLE, 100), "its checksum does not match its content"),
        (record(example(shape=(3, 8, 8))), "it has no feature 'data' of bytes"),
        (record(example(data=b"x")), "it has no feature 'shape' of integers"),
        (record(example(data=b"x", shape=b"x")), "it has no feature 'shape' of integers"),
        (
            record(example(data=bytes(192), shape=(1, 3, 8, 8))),
            r"its shape is \[1, 3, 8, 8\]; images have 2",
        ),
        (record(example(data=bytes(128), shape=(2, 8, 8))), "its shape is 2×8×8; images have 1 or 3 channels"),
        (record(example(data=bytes(191), shape=(3, 8, 8))), "its shape of 3×8×8 requires 192 bytes, not 191"),
        (record(example(data=b"", shape=(0, 8, 8))), "its shape is"),
        (record(example(data=b"", shape=(2**63, 8, 8))), "its shape is"),
        (record(b"no example"), "it is not a tf.train.Example"),
        (record(field(1, field(1, b"") * 2000)), "it has no feature 'data' of bytes"),
    ],
)
def test_errors_name_records_without_an_image(tmp_path, content, message):
    (tmp_path / "x.tfrecords").write_bytes(WHOLE + content)
    images, faults = decode(open_source(str(tmp_path / "x.tfrecords")), (8, 8, 3))
    assert len(images) == 1
    assert faults[0].startswith(f"{tmp_path / 'x.tfrecords'}: 1 (")
    with pytest.raises(DataError, match=message):
        raise DataError(*faults)


WRITER = """
import sys, numpy as np, tensorflow as tf
Feature = tf.train.Feature
def integers(values):
    return Feature(int64_list=tf.train.Int64List(value=values))
images = np.load(sys.argv[1]).transpose(0, 3, 1, 2)
with tf.io.TFRecordWriter(sys.argv[2], tf.io.TFRecordOptions(compression_type="")) as writer:
    for label, image in enumerate(images):
        data = Feature(bytes_list=tf.train.BytesList(value=[image.tobytes()]))
        features = {"shape": integers(image.shape), "data": data, "label": integers([label])}
        writer.write(tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString())
"""


@pytest.mark.slow
def test_records_written_by_tensorflow_are_read(tmp_path):
    # In another process, because this one may have loaded another framework.
    if subprocess.run([sys.executable, "-c", "import tensorflow"], capture_output=True).returncode:
        pytest.skip("TensorFlow is not installed")
    np.save(tmp_path / "images.npy", IMAGES)
    path = tmp_path / "faces-r03.tfrecords"
    subprocess.run([sys.executable, "-c", WRITER, tmp_path / "images.npy", path], check=True, capture_output=True)
    found = read(path)
    assert np.array_equal(read_all(found), IMAGES)
    assert found.labels.tolist() == [0, 1, 2, 3, 4]
