"""Doubtful names of classes, and annotations beside pictures that are not read."""

import json

import pytest
from PIL import Image

from alae_workbench.data.label_doubts import find_doubtful_names
from alae_workbench.data.resolve import open_source

COCO = {"images": [{"id": 0, "file_name": "0.png"}], "annotations": [{"image_id": 0, "bbox": [0, 0, 4, 4]}]}


def write_pictures(folder, count):
    for number in range(count):
        (folder / "a").mkdir(exist_ok=True)
        Image.new("L", (8, 8)).save(folder / "a" / f"{number}.png")


@pytest.mark.parametrize(
    ("names", "doubts"),
    [
        (["Cat", "cat ", "dog"], ["'Cat' and 'cat ' are two classes: rename one if they are the same"]),
        (["N/A", "cat"], ["'N/A' is a class: leave its images out if it stands for a missing value"]),
        (["none", "cat", "unknown"], []),
    ],
)
def test_doubtful_names(names, doubts):
    assert list(find_doubtful_names(names)) == doubts


def test_doubtful_classes_follow_the_source_of_the_labels(tmp_path):
    write_pictures(tmp_path, 3)
    (tmp_path / "labels.csv").write_text("n,class\n0,Cat\n1,cat\n2,Cat\n")
    assert open_source(str(tmp_path)).label_text.startswith(
        "2 classes from labels.csv ('Cat' and 'cat' are two classes"
    )


@pytest.mark.parametrize(
    ("names", "content", "text"),
    [
        (["instances.json"], json.dumps(COCO), "instances.json, not used: it describes things in images, as COCO does"),
        (["a/0.xml", "a/1.xml"], "<annotation/>", "boxes in 2 .xml files, not used: they are not labels of images"),
        (
            ["labels/0.txt", "labels/1.txt"],
            "0 0.5 0.5 0.1 0.2\n",
            "boxes in 2 .txt files, not used: they are not labels",
        ),
        (["labels.xlsx"], "PK", "labels.xlsx, not used: save it as .csv"),
        (["metadata.parquet"], "PAR1", "metadata.parquet, not used: save it as .csv"),
        (["config.json", "a/0.txt", "a/1.txt"], '"a cat"', ""),
    ],
)
def test_annotations_that_are_not_read_are_named(tmp_path, names, content, text):
    write_pictures(tmp_path, 2)
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    found = open_source(str(tmp_path)).label_text
    assert found.startswith(f"none (found {text}") if text else found == "none"
