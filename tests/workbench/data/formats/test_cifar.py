"""CIFAR-10 and CIFAR-100, as pickles and as binary records."""

import pickle

import numpy as np
import pytest

from alae_workbench.data.options import SourceOptions
from alae_workbench.data.ranges import ValueRange
from alae_workbench.data.resolve import open_source
from alae_workbench.data.source import DataError, read_all

NAMES = ["airplane", "automobile", "bird"]


def rows(seed, count=2):
    return np.random.default_rng(seed).integers(0, 256, (count, 3072), np.uint8)


def as_images(array):
    """Convert rows without a reshape of all: red, green and blue follow each other, each row by row."""
    images = np.empty((len(array), 32, 32, 3), np.uint8)
    for channel in range(3):
        for row in range(32):
            start = 1024 * channel + 32 * row
            images[:, row, :, channel] = array[:, start : start + 32]
    return images


def write_cifar10(folder, protocol=2):
    folder.mkdir(parents=True)
    for seed, name in enumerate([*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]):
        batch = {"data": rows(seed), "labels": [seed % 3, 2], "batch_label": name, "filenames": ["a.png", "b.png"]}
        (folder / name).write_bytes(pickle.dumps(batch, protocol))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": NAMES, "num_vis": 3072}, protocol))


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("inside", ["", "cifar-10-batches-py"])
def test_the_pickles_of_cifar10_are_read(tmp_path, protocol, inside):
    write_cifar10(tmp_path / "c" / inside, protocol)
    splits = open_source(str(tmp_path / "c"))
    assert np.array_equal(read_all(splits.images), as_images(np.concatenate([rows(seed) for seed in range(5)])))
    assert np.array_equal(read_all(splits.test), as_images(rows(5)))
    assert splits.images.labels.tolist() == [0, 2, 1, 2, 2, 2, 0, 2, 1, 2]
    assert splits.images.label_names == tuple(NAMES)
    assert splits.images.label_text == "3 classes from 'labels'"


def test_pickles_with_keys_of_bytes_are_read(tmp_path):
    """Programs that unpickle the published files with encoding="bytes" and pickle them again write such keys."""
    write_cifar10(tmp_path / "c")
    for file in (tmp_path / "c").iterdir():
        content = pickle.loads(file.read_bytes())
        as_bytes = {key.encode(): value for key, value in content.items()}
        if b"label_names" in as_bytes:
            as_bytes[b"label_names"] = [name.encode() for name in NAMES]
        file.write_bytes(pickle.dumps(as_bytes, 4))
    found = open_source(str(tmp_path / "c"))
    assert found.images.label_names == tuple(NAMES)
    assert len(found.images) == 10


def test_pickles_of_python_2_are_read(tmp_path):
    """The published files were pickled by Python 2, which has no bytes: its texts are bytes."""
    write_cifar10(tmp_path / "c")
    array = rows(0)
    content = array.tobytes()
    pickled = (
        b"\x80\x02}q\x01(U\x04dataq\x02cnumpy.core.multiarray\n_reconstruct\nq\x03cnumpy\nndarray\nq\x04K\x00\x85U\x01b"
        b"\x87R(K\x01K\x02M\x00\x0c\x86cnumpy\ndtype\nq\x05U\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xff"
        b"J\xff\xff\xff\xffK\x00tb\x89T" + len(content).to_bytes(4, "little") + content
    )
    pickled += b"tbU\x06labels](K\x01K\x02eu."
    (tmp_path / "c" / "data_batch_1").write_bytes(pickled)
    splits = open_source(str(tmp_path / "c"))
    assert np.array_equal(read_all(splits.images)[:2], as_images(array))
    assert splits.images.labels[:2].tolist() == [1, 2]


def write_cifar100(folder, binary):
    folder.mkdir()
    fine, coarse = [[f"{kind}{number}" for number in range(5)] for kind in ("fine", "coarse")]
    for seed, name in enumerate(("train", "test")):
        array, fines, coarses = rows(seed, 3), [4, 2, 0], [1, 0, 1]
        if binary:
            (folder / f"{name}.bin").write_bytes(np.column_stack([coarses, fines, array]).astype(np.uint8).tobytes())
        else:
            batch = {"data": array, "fine_labels": fines, "coarse_labels": coarses}
            (folder / name).write_bytes(pickle.dumps(batch, 2))
    if binary:
        (folder / "fine_label_names.txt").write_text("\n".join(fine) + "\n")
        (folder / "coarse_label_names.txt").write_text("\n".join(coarse) + "\n")
    else:
        meta = {"fine_label_names": fine, "coarse_label_names": coarse}
        (folder / "meta").write_bytes(pickle.dumps(meta, 2))


@pytest.mark.parametrize("binary", [False, True])
def test_cifar100_has_fine_and_coarse_labels(tmp_path, binary):
    write_cifar100(tmp_path / "c", binary)
    splits = open_source(str(tmp_path / "c"))
    assert np.array_equal(read_all(splits.test), as_images(rows(1, 3)))
    assert splits.images.labels.tolist() == [4, 2, 0]
    assert splits.images.label_names[4] == "fine4"
    coarse = open_source(str(tmp_path / "c"), SourceOptions(labels="coarse_labels")).images
    assert coarse.labels.tolist() == [1, 0, 1]
    assert coarse.label_names[1] == "coarse1"
    assert open_source(str(tmp_path / "c"), SourceOptions(labels="none")).images.labels is None
    with pytest.raises(DataError, match="there is no column 'x' for the labels"):
        open_source(str(tmp_path / "c"), SourceOptions(labels="x"))


def test_the_binary_files_of_cifar10_are_read(tmp_path):
    for seed, name in enumerate([*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"]):
        (tmp_path / name).write_bytes(np.column_stack([[seed, 9], rows(seed)]).astype(np.uint8).tobytes())
    (tmp_path / "batches.meta.txt").write_text("\n".join(NAMES) + "\n\n")
    splits = open_source(str(tmp_path))
    assert np.array_equal(read_all(splits.images)[2:4], as_images(rows(1)))
    assert splits.images.labels.tolist() == [0, 9, 1, 9, 2, 9, 3, 9, 4, 9]
    assert splits.images.label_names == tuple(NAMES)


class Call:
    def __reduce__(self):
        return pytest.fail, ("the pickle was executed",)


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ({"data": rows(0), "labels": [1]}, "there are 2 images, but 1 labels in 'labels'"),
        ({"data": rows(0), "labels": [1, "a"]}, "'labels' must be a list of class numbers"),
        ({"data": rows(0)[:, :-1], "labels": [1, 2]}, "must hold 'data', an array of rows of 3,072 bytes"),
        ({"data": rows(0) / 2, "labels": [1, 2]}, "something other than arrays of uint8"),
        ({"data": rows(0), "labels": [1, Call()]}, "'labels' must be a list of class numbers"),
        ([], "must hold 'data'"),
    ],
)
def test_errors_name_the_file_and_nothing_is_executed(tmp_path, batch, message):
    write_cifar10(tmp_path / "c")
    (tmp_path / "c" / "data_batch_3").write_bytes(pickle.dumps(batch, 2))
    with pytest.raises(DataError, match=f"data_batch_3 cannot be read as a file of CIFAR: .*{message}"):
        open_source(str(tmp_path / "c"))
    (tmp_path / "c" / "data_batch_3").unlink()
    with pytest.raises(DataError, match="data_batch_3 cannot be read as a file of CIFAR: No such file"):
        open_source(str(tmp_path / "c"))


def test_a_stated_range_is_checked(tmp_path):
    write_cifar10(tmp_path / "c")
    with pytest.raises(DataError, match=r"is not within the range 0\.\.3 of training\.range"):
        open_source(str(tmp_path / "c"), SourceOptions(range=ValueRange(0, 3)))
