"""Folders of .npy and .npz files that belong together."""

import numpy as np
import pytest
from PIL import Image

from alae_workbench.data.options import SourceOptions
from alae_workbench.data.resolve import open_source
from alae_workbench.data.source import DataError, read_all
from tests.helpers.data import grey_images

IMAGES, LABELS = grey_images(7), np.array([3, 1, 4, 1, 5, 2, 6])


def write(folder, arrays):
    """Write arrays by file name; a dictionary is an .npz file of several."""
    for name, array in arrays.items():
        if isinstance(array, dict):
            np.savez(folder / name, **array)
        elif name.endswith(".npz"):
            np.savez_compressed(folder / name, array)
        else:
            np.save(folder / name, array)


SPLIT = {"train": slice(0, 5), "test": slice(5, 7)}


@pytest.mark.parametrize(
    "arrays",
    [
        {
            f"kmnist-{split}-{kind}.npz": array[part]
            for split, part in SPLIT.items()
            for kind, array in (("imgs", IMAGES), ("labels", LABELS))
        },
        {
            f"{kind}_{split}.npy": array[p]
            for split, p in SPLIT.items()
            for kind, array in (("X", IMAGES), ("y", LABELS))
        },
        {f"{split}.npz": {"x": IMAGES[part], "y": LABELS[part]} for split, part in SPLIT.items()},
    ],
    ids=["KMNIST", "x and y", "splits"],
)
def test_files_of_arrays_belong_together(tmp_path, arrays):
    write(tmp_path, arrays)
    (tmp_path / "README.md").write_text("")
    splits = open_source(str(tmp_path))
    assert np.array_equal(read_all(splits.images)[..., 0], IMAGES[:5])
    assert np.array_equal(read_all(splits.test)[..., 0], IMAGES[5:])
    assert (splits.images.labels.tolist(), splits.test.labels.tolist()) == ([3, 1, 4, 1, 5], [2, 6])


def test_the_names_of_files_are_those_of_arrays(tmp_path):
    write(tmp_path, {"images.npy": IMAGES, "labels.npy": LABELS, "age.npy": LABELS + 20})
    images = open_source(str(tmp_path)).images
    assert (images.labels.tolist(), images.label_text) == (
        LABELS.tolist(),
        "6 classes from 'labels' (arrays not used: 'age')",
    )
    assert open_source(str(tmp_path), SourceOptions(labels="age")).images.labels.tolist() == (LABELS + 20).tolist()
    alone = open_source(str(tmp_path / "images.npy")).images
    assert alone.label_text == "none (found labels.npy beside it, not used: give their folder)"
    write(tmp_path, {"two.npz": {"images": IMAGES, "z": LABELS}})
    assert open_source(str(tmp_path / "two.npz")).images.label_text == "none (arrays not used: 'z')"


def test_one_file_of_arrays_in_a_folder_is_read(tmp_path):
    write(tmp_path, {"anything.npz": {"x_train": IMAGES, "y_train": LABELS}})
    assert open_source(str(tmp_path)).images.labels.tolist() == LABELS.tolist()


def test_arrays_beside_pictures_and_folders_are_not_images(tmp_path):
    write(tmp_path, {"features.npy": IMAGES})
    (tmp_path / "cats").mkdir()
    Image.fromarray(IMAGES[0]).save(tmp_path / "cats" / "0.png")
    assert len(open_source(str(tmp_path)).files) == 1
    (tmp_path / "cats" / "0.png").rename(tmp_path / "0.png")
    (tmp_path / "cats").rmdir()
    assert len(open_source(str(tmp_path)).files) == 1


def test_parts_that_do_not_belong_together_are_refused(tmp_path):
    write(tmp_path, {"a.npy": IMAGES, "b.npy": IMAGES})
    with pytest.raises(DataError, match=r"must hold 'images' .*; it holds a, b; or give one of its files"):
        open_source(str(tmp_path))
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(DataError, match=r"a\.npy cannot be read"):
        open_source(str(tmp_path))
