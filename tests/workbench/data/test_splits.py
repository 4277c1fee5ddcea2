"""Names of splits, and the layout of pictures in folders."""

import pytest

from alae_workbench.data.splits import are_chunks, find_doubts, find_layout, find_split


@pytest.mark.parametrize(
    ("split", "names"),
    [
        ("train", "train Train TRAINING train2017 training_set train-00001 seg_train images_train trainset"),
        ("held out", "val valid Validation test TEST test_set dev eval val2017 testset test-data holdout"),
        (None, "cats trainer trainstation contest evalue set images 2017 data testament train_station bullet-train"),
    ],
)
def test_names_of_splits(split, names):
    assert {name: find_split(name) for name in names.split()} == dict.fromkeys(names.split(), split)


@pytest.mark.parametrize(
    ("names", "held_out", "folders"),
    [
        (["a/0", "b/0"], [], ["a", "b"]),
        (["x/y/a/0", "x/y/b/0"], [], ["a", "b"]),
        (["x/a/deep/0", "x/b/0"], [], ["a", "b"]),
        (["a/0", "x"], [], ["a", None]),
        (["test/0", "train/0"], [True, False], [None, None]),
        (["test/a/0", "train/a/0"], [True, False], ["a", "a"]),
        (["a/test/0", "a/train/0", "b/train/0"], [True, False, False], ["a", "a", "b"]),
        (["a/0", "train/0", "val/0"], [], ["a", "train", "val"]),
        (["test/a/0", "val/a/0"], [], ["test", "val"]),
        (["train/a/0", "train/b/0"], [], ["a", "b"]),
        (["trainA/0", "trainB/1", "testA/2", "testB/3"], [False, False, True, True], ["A", "B", "A", "B"]),
        (["x/trainA/0", "x/trainB/1"], [], ["trainA", "trainB"]),
        (["cars_train/0", "cars_test/1"], [False, True], [None, None]),
        (["DIV2K_train_HR/a/0", "DIV2K_valid_HR/b/1"], [False, True], ["a", "b"]),
        (["steam train/0", "test tube/1"], [], ["steam train", "test tube"]),
    ],
)
def test_layouts(names, held_out, folders):
    found = find_layout(names)
    assert (list(found.held_out), list(found.folders)) == (held_out, folders)


def test_archives_may_be_classes():
    assert find_layout(["0", "1"], ["cats", "dogs"]).folders == ["cats", "dogs"]
    assert find_layout(["0", "1"], ["shard-00", "shard-01"]).folders == [None, None]
    assert find_layout(["a/0", "b/1"], ["x", "y"]).folders == ["a", "b"]


def test_archives_may_be_splits():
    found = find_layout(["a/0", "b/1", "a/2"], ["train-0", "train-1", "val-0"])
    assert (found.held_out, found.folders) == ([False, False, True], ["a", "b", "a"])


@pytest.mark.parametrize(
    ("name", "folder", "chunk"),
    [
        ("00000/img00000999.png", "00000", True),
        ("00001/img00000999.png", "00001", False),
        ("31000/31042.png", "31000", True),
        ("3/3042.png", "3", False),
        ("00000/cat.png", "00000", False),
        ("a/0.png", "a", False),
    ],
)
def test_folders_of_a_thousand_images(name, folder, chunk):
    assert are_chunks([name], [folder]) == chunk


def test_masks_and_numbers_are_doubtful_classes():
    folders = ["images", "images", "masks", "masks"]
    (doubt,) = find_doubts(["images/0.jpg", "images/1.jpg", "masks/0.png", "masks/1.png"], folders, ["images", "masks"])
    assert doubt.startswith("folder masks has pictures of the same names as the others")
    assert not list(find_doubts(["a/0.jpg", "gt/7.jpg"], ["a", "gt"], ["a", "gt"]))
    (doubt,) = find_doubts(["test/0", "val/1"], ["test", "val"], ["test", "val"])
    assert doubt.startswith("named after splits, but none is for training")
    (doubt,) = find_doubts(["meta/0", "test/1", "train/2"], ["meta", "test", "train"], ["meta", "test", "train"])
    assert doubt == "some are named after splits, but not meta: if they are not classes, move meta elsewhere"
    pictures = [f"{kind}/{name}/0" for kind in ("colour", "grey") for name in ("apple", "pear")]
    (doubt,) = find_doubts(pictures, ["colour", "colour", "grey", "grey"], ["colour", "grey"])
    assert (
        doubt == "each holds the same folders, such as apple, pear: if these are the classes, give one of colour, grey"
    )
    assert not list(find_doubts([*pictures, "grey/fig/0"], [*["colour"] * 2, *["grey"] * 3], ["colour", "grey"]))
    assert list(find_doubts([], [], ["0", "1", "10", "2"])) == ["in alphabetical order: class 2 is 10"]
    assert not list(find_doubts([], [], ["0", "1", "2"]))
    assert not list(find_doubts([], [], ["00", "01", "10"]))
