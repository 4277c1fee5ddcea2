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
from alae_workbench.data.resolve import open_source
from alae_workbench.data.source import read_all
from alae_workbench.data.survey import survey

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
        (lambda path: pq.write_table(table(features=None), path), "its columns are img, label, more"),
        (lambda path: pq.write_table(table(label=[[1]] * 7), path), "'label' must be numbers or texts, but is list"),
        (
            lambda path: pq.write_table(table(label=[1, None, 1, 1, 0, 0, 1]), path),
            "class numbers, which are integers, but one is nan",
        ),
    ],
)
def test_invalid_files_are_refused_in_one_line(tmp_path, write, message):
    path = tmp_path / "x.parquet"
    write(path)
    with pytest.raises(DataError, match=message) as found:
        open_source(str(path))
    assert str(found.value).isprintable()


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
