"""Parquet and Arrow files of the Hugging Face Hub: valid, damaged, and with other columns."""

import io
import json
import pickle
import sys

import numpy as np
import pytest
from PIL import Image

from alae_workbench import DataError
from alae_workbench.data.collection import decode
from alae_workbench.data.inspection import inspect
from alae_workbench.data.listing import describe_skipped
from alae_workbench.data.load import load_data, load_images
from alae_workbench.data.options import SourceOptions
from alae_workbench.data.resolve import open_source
from alae_workbench.data.source import UNLABELLED, read_all
from alae_workbench.data.survey import survey
from tests.helpers.data import make_config

pa = pytest.importorskip("pyarrow", reason="the extra [hub] is not installed")
pq = pytest.importorskip("pyarrow.parquet")

IMAGES = np.random.default_rng(0).integers(0, 256, (7, 8, 8, 3), np.uint8)
LABELS = [1, 0, 1, 1, 0, 0, 1]
FEATURES = {
    "img": {"_type": "Image"},
    "label": {"_type": "ClassLabel", "names": ["cat", "dog"]},
    "more": {"_type": "Value", "dtype": "binary"},
}


def png(image):
    content = io.BytesIO()
    Image.fromarray(image).save(content, "png")
    return content.getvalue()


CELLS = [{"bytes": png(image), "path": f"{number}.png"} for number, image in enumerate(IMAGES)]


def table(rows=slice(None), features=FEATURES, **columns):
    chosen = {"img": CELLS, "label": LABELS, "more": [b"x"] * 7} | columns
    found = pa.table({name: pa.array(values[rows]) for name, values in chosen.items() if values is not None})
    return found.replace_schema_metadata(
        {"huggingface": json.dumps({"info": {"features": features}})} if features else {}
    )


def read(path):
    images, faults = decode(open_source(str(path)), (8, 8, 3))
    assert faults == []
    return images


def write_arrow(path, found, rows=3):
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, found.schema) as writer:
        writer.write_table(found, max_chunksize=rows)


def write_saved(folder):
    """Write a data set as `save_to_disk` does; only dataset_info.json has the types of the columns."""
    folder.mkdir()
    names = [f"data-{part:05d}-of-00002.arrow" for part in range(2)]
    for name, rows in zip(names, (slice(0, 4), slice(4, 7)), strict=True):
        write_arrow(folder / name, table(rows, None))
    write_arrow(folder / "cache-1.arrow", table(slice(0, 1)))
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": name} for name in names]}))
    (folder / "dataset_info.json").write_text(json.dumps({"features": FEATURES}))
    return folder


def write_downloaded(folder):
    (folder / "data").mkdir(parents=True)
    for part, rows in enumerate((slice(0, 4), slice(4, 7))):
        pq.write_table(table(rows), folder / "data" / f"train-{part:05d}-of-00002.parquet", row_group_size=3)
    pq.write_table(table(slice(0, 1)), folder / "data" / "test-00000-of-00001.parquet")
    return folder


@pytest.mark.parametrize("make", [write_saved, write_downloaded])
def test_rows_are_images_in_order_with_classes(tmp_path, make):
    path = make(tmp_path / "set")
    images, found = read(path), open_source(str(path))
    assert np.array_equal(read_all(images), IMAGES)
    assert images.labels.tolist() == LABELS
    assert found.label_names == ("cat", "dog")
    assert {file.suffix for file in found.stored} == ({".arrow", ".json"} if make is write_saved else {".parquet"})
    assert [pickle.loads(pickle.dumps(file)).read() for file in found.files[3:5]] == [
        cell["bytes"] for cell in CELLS[3:5]
    ]
    assert str(found.files[5]) == f"{path}: 5"
    seen = survey(str(path))
    assert (seen.count, seen.side, seen.channels) == (7, 8, 3)


@pytest.mark.parametrize("ending", ["parquet", "arrow"])
def test_a_single_file_may_hold_plain_bytes_and_text_labels(tmp_path, ending):
    path = tmp_path / f"x.{ending}"
    texts = ["b", "a", "b", "b", "a", "a", "b"]
    found = table(features=None, img=[cell["bytes"] for cell in CELLS], label=texts, more=None)
    pq.write_table(found, path) if ending == "parquet" else write_arrow(path, found)
    assert np.array_equal(read_all(read(path)), IMAGES)
    assert (read(path).labels.tolist(), open_source(str(path)).label_names) == (LABELS, ("a", "b"))


def test_a_changed_file_is_opened_again(tmp_path):
    path = tmp_path / "x.parquet"
    pq.write_table(table(slice(0, 3)), path)
    assert len(read(path)) == 3
    pq.write_table(table(slice(3, 7)), path)
    assert np.array_equal(read_all(read(path)), IMAGES[3:])


def test_several_splits_are_refused_and_one_is_read(tmp_path):
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    write_saved(tmp_path / "x" / "train")
    with pytest.raises(DataError, match=f"holds several splits: give one of them, such as {tmp_path / 'x' / 'train'}"):
        open_source(str(tmp_path / "x"))
    assert len(read(tmp_path / "x" / "train")) == 7
    write_saved(tmp_path / "x" / "test")
    found = open_source(str(tmp_path / "x"))
    assert (found.labels.tolist(), found.test.labels.tolist(), found.label_names) == (LABELS, LABELS, ("cat", "dog"))
    (tmp_path / "y").mkdir()
    for split in ("test", "validation"):
        pq.write_table(table(), tmp_path / "y" / f"{split}-00000-of-00001.parquet")
    file = tmp_path / "y" / "test-00000-of-00001.parquet"
    with pytest.raises(DataError, match=f"several splits, but none named train: give one file, such as {file}"):
        open_source(str(tmp_path / "y"))
    assert len(read(file)) == 7


def test_the_error_names_a_missing_pyarrow(tmp_path, monkeypatch):
    pq.write_table(table(), tmp_path / "x.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(DataError, match=r"requires the package pyarrow: pip install 'alae\[hub\]'"):
        open_source(str(tmp_path / "x.parquet"))


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: path.write_bytes(b"PAR1"), "x.parquet cannot be read: "),
        (lambda path: pq.write_table(table().slice(0, 0), path), "there are no images in .*x.parquet: it has no rows"),
        (lambda path: pq.write_table(table(img=None, more=None), path), "one column of images.* its columns are label"),
        (
            lambda path: pq.write_table(table(features=None).rename_columns(["front", "label", "back"]), path),
            "its columns are front, label, back; choose one with --images-from",
        ),
    ],
)
def test_invalid_files_are_refused_in_one_line(tmp_path, write, message):
    path = tmp_path / "x.parquet"
    write(path)
    with pytest.raises(DataError, match=message) as found:
        open_source(str(path))
    assert str(found.value).isprintable()


def test_a_null_means_an_unlabelled_image(tmp_path):
    path = tmp_path / "x.parquet"
    pq.write_table(table(label=[1, None, 1, 1, 0, 0, 1]), path)
    found = read(path)
    assert found.labels.tolist() == [1, UNLABELLED, 1, 1, 0, 0, 1]
    assert found.label_text == "2 classes, 1 of 7 images without a label, from column 'label'"
    with pytest.raises(DataError, match=r"labels is 2, but 1 images of .* have no label"):
        load_images(str(path), make_config(image=[8, 8, 3], labels=2))


@pytest.mark.parametrize(
    ("columns", "labels", "names", "text"),
    [
        ({"labels": LABELS}, LABELS, (), "2 classes from column 'labels'"),
        ({"fine_label": [float(label) for label in LABELS]}, LABELS, (), "2 classes from column 'fine_label'"),
        ({"class": ["b" if label else "a" for label in LABELS]}, LABELS, ("a", "b"), "2 classes from column 'class'"),
        (
            {"Smiling": [bool(label) for label in LABELS], "Male": [True] * 7, "id": list(range(7))},
            [[label, 1] for label in LABELS],
            ("Smiling", "Male"),
            "2 attributes from columns of truth values",
        ),
        ({"label": [[1]] * 7}, None, (), "none (found column 'label', not used: it is list<element: int64>,"),
        ({"label": [0.5] * 7}, None, (), "none (found column 'label', not used: labels must be class numbers"),
        ({"caption": list("abcdefg")}, None, (), "none (columns not used: 'caption')"),
    ],
)
def test_labels_are_found_by_name_and_type(tmp_path, columns, labels, names, text):
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"img": [cell["bytes"] for cell in CELLS], **columns}), path)
    found = open_source(str(path))
    assert (None if found.labels is None else found.labels.tolist(), found.label_names) == (labels, names)
    assert found.label_text.startswith(text)


def test_columns_of_images_and_labels_are_chosen_by_name(tmp_path):
    path = tmp_path / "x.parquet"
    masks = [{"bytes": png(255 - image), "path": None} for image in IMAGES]
    pq.write_table(pa.table({"mask": masks, "image": CELLS, "label": LABELS, "size": list(range(7))}), path)
    assert np.array_equal(read_all(read(path)), IMAGES)
    assert open_source(str(path)).label_text.endswith("from column 'label' (images from column 'image', not 'mask')")
    found = open_source(str(path), SourceOptions(images="mask", labels="size"))
    assert np.array_equal(read_all(decode(found, (8, 8, 3))[0]), 255 - IMAGES)
    assert (found.labels.tolist(), found.label_text) == (list(range(7)), "7 classes from column 'size'")
    assert open_source(str(path), SourceOptions(labels="none")).labels is None
    for options in (SourceOptions(images="label"), SourceOptions(labels="sise")):
        with pytest.raises(DataError, match=r"no column 'label' of images|no column 'sise' .*did you mean 'size'"):
            open_source(str(path), options)


@pytest.mark.parametrize(
    "names",
    [
        ("default/train/0000.parquet", "default/test/0000.parquet"),
        ("train/0000.parquet", "validation/0000.parquet"),
        ("data/train-00000-of-00001.parquet", "data/test-00000-of-00001.parquet"),
        ("train.parquet", "test.parquet"),
    ],
)
def test_a_held_out_split_is_read(tmp_path, names):
    for name, rows in zip(names, (slice(0, 4), slice(4, 7)), strict=True):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table(rows), tmp_path / name)
    data = load_data(str(tmp_path), make_config(image=[8, 8, 3]), held_out=1)
    assert np.array_equal(read_all(data.train), IMAGES[:4])
    assert np.array_equal(read_all(data.held_out), IMAGES[4:])
    assert data.held_out.labels.tolist() == LABELS[4:]


def test_a_held_out_split_without_labels_is_skipped(tmp_path):
    """The Hub marks missing classes of a test split by -1."""
    pq.write_table(table(slice(0, 4)), tmp_path / "train.parquet")
    pq.write_table(table(slice(4, 7), label=[0, 0, 0, 0, -1, -1, -1]), tmp_path / "test.parquet")
    found = open_source(str(tmp_path))
    assert (len(found), found.test, describe_skipped(found.skipped)) == (
        4,
        None,
        "3 files skipped: 3 without ending (held-out images without a label)",
    )


def test_truncated_files_are_refused(tmp_path):
    (tmp_path / "0.arrow").write_bytes(bytes(8))
    with pytest.raises(DataError, match=r"0.arrow cannot be read: it holds no schema"):
        open_source(str(tmp_path / "0.arrow"))
    for name in ("x.parquet", "x.arrow"):
        pq.write_table(table(), tmp_path / name) if name == "x.parquet" else write_arrow(tmp_path / name, table())
        content = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(content[: len(content) * 2 // 3])
        with pytest.raises(DataError, match=f"{name} cannot be read: "):
            open_source(str(tmp_path / name))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("../x.arrow", "state.json names no .arrow files in its own folder"),
        ("absent.arrow", "absent.arrow cannot be read"),
    ],
)
def test_state_json_may_only_refer_to_files_in_its_own_folder(tmp_path, name, message):
    (tmp_path / "state.json").write_text(json.dumps({"_data_files": [{"filename": name}]}))
    with pytest.raises(DataError, match=message):
        open_source(str(tmp_path))


def test_errors_name_missing_and_invalid_pictures(tmp_path):
    cells = [
        *CELLS[:4],
        {"bytes": None, "path": "/etc/passwd"},
        {"bytes": None, "path": None},
        {"bytes": b"x", "path": ""},
    ]
    pq.write_table(table(img=cells), tmp_path / "x.parquet")
    images, faults = decode(open_source(str(tmp_path / "x.parquet")), (8, 8, 3))
    assert len(images) == 4
    reason = "its file is not in the data set but at '/etc/passwd': save it with the library's `save_to_disk`"
    assert faults[0] == f"{tmp_path / 'x.parquet'}: 4 ({reason})"
    for look in (survey, lambda name: inspect(name, open_source(name))):
        pq.write_table(table(img=cells[6:] * 7), tmp_path / "x.parquet")
        with pytest.raises(
            DataError, match=r"none of the 7 images in .* can be read: .*x.parquet: 0 \(its content is none of PNG"
        ):
            look(str(tmp_path / "x.parquet"))
    assert faults[1] == f"{tmp_path / 'x.parquet'}: 5 (it is empty)"
    assert faults[2].startswith(f"{tmp_path / 'x.parquet'}: 6 (its content is none of PNG")
