"""Resolving a data source by name or path."""

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alae_core import load_config
from alae_workbench.data.load import load_data
from alae_workbench.data.prepared.preparation import plan_preparation
from alae_workbench.data.prepared.reading import open_set
from alae_workbench.data.prepared.writing import write_set
from alae_workbench.data.resolve import find_again, make_absolute, require_found
from alae_workbench.data.source import DataError, read_all
from tests.helpers.data import (
    load_for_training,
)
from tests.helpers.tfrecords import image_example, write_records


def test_a_missing_path_lists_the_alternatives(tmp_path):
    for name in (tmp_path / "nowhere", ""):
        with pytest.raises(DataError, match=f"there is no data '{name}': give one of digits, mnist, fashion_mnist"):
            load_for_training(name)
    (tmp_path / "data.csv").touch()
    with pytest.raises(DataError, match=r"data.csv has no known format: arrays of images end in .npz, .npy or .mat"):
        load_for_training(tmp_path / "data.csv")
    with pytest.raises(DataError, match="there are no images in"):
        load_for_training(tmp_path)


@pytest.mark.parametrize(
    ("name", "line"), [("a.h5", "h5py.File(f)"), ("a.pt", "torch.load(f, weights_only=True)"), ("A.PKL", "pickle.load")]
)
def test_files_of_other_programs_are_refused_with_the_line_that_converts_them(tmp_path, name, line):
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(DataError, match=r"are not read; store the images as arrays, such as numpy\.save") as caught:
        load_for_training(tmp_path / name)
    assert line in str(caught.value)


def test_what_people_give_instead_of_a_folder_is_refused_with_the_way_out(tmp_path, monkeypatch):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "0.png").touch()
    (tmp_path / "photos.rar").touch()
    (tmp_path / "labels.csv").touch()
    monkeypatch.chdir(tmp_path)
    for name, reason in (
        ("https://a.org/b.zip", "there is no data 'https://a.org/b.zip', and addresses are not read, so download it: "),
        (
            "photos/*.png",
            r"there is no data 'photos/\*.png', and patterns are not read, only the folder of the images: ",
        ),
        ("photos\\0.png", r"there is no data '.*', but there is photos/0.png, with / between folders: give one of"),
        ("photos.rar", "photos.rar is an archive of a kind that is not read: unpack it, and give its folder"),
        ("labels.csv", "labels.csv has no known format: .*; a table of labels is given to --labels, beside the folder"),
    ):
        with pytest.raises(DataError, match=reason):
            load_for_training(name)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_pipes_are_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "a.npz")
    with pytest.raises(DataError, match="it is not a regular file"):
        load_for_training(tmp_path / "a.npz")
    (tmp_path / "photos").mkdir()
    os.mkfifo(tmp_path / "photos" / "a.png")
    with pytest.raises(DataError, match=r"there are no images in .*1 .png \(not regular files\)"):
        load_for_training(tmp_path / "photos")


IMAGES = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3), np.uint8)
LABELS = [1, 0, 1, 1, 0, 0]


def encode_png(image):
    content = io.BytesIO()
    Image.fromarray(image).save(content, "png")
    return content.getvalue()


def write_labelled_pictures(folder):
    for number, image in enumerate(IMAGES):
        Image.fromarray(image).save(folder / f"{number}.png")
    rows = "".join(f"{number},{label}\n" for number, label in enumerate(LABELS))
    (folder / "labels.csv").write_text(f"file,class\n{rows}")


def write_tfrecords(folder):
    write_records(folder / "x-r03.tfrecords", [image_example(image) for image in IMAGES])
    with (folder / "x-rxx.labels").open("wb") as file:
        np.save(file, np.eye(2)[LABELS])


def write_lmdb(folder):
    library = pytest.importorskip("lmdb", reason="the extra [lmdb] is not installed")
    with library.open(str(folder), map_size=2**22) as base, base.begin(write=True) as change:
        for number, image in enumerate(IMAGES):
            change.put(b"%040x" % number, encode_png(image))


def write_shards(folder):
    pa = pytest.importorskip("pyarrow", reason="the extra [hub] is not installed")
    pq = pytest.importorskip("pyarrow.parquet")
    cells = [{"bytes": encode_png(image), "path": None} for image in IMAGES]
    pq.write_table(
        pa.table({"image": cells, "label": LABELS}), folder / "train-00000-of-00001.parquet", row_group_size=4
    )


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("write", [write_labelled_pictures, write_tfrecords, write_lmdb, write_shards])
def test_every_format_can_be_trained_on_and_prepared(tmp_path, monkeypatch, write, workers):
    # Four images per shard, so that both processes have work.
    monkeypatch.setattr("alae_workbench.data.prepared.set_format._SHARD_BYTES", 4 * IMAGES[0].nbytes)
    (tmp_path / "set").mkdir()
    write(tmp_path / "set")
    found = load_data(str(tmp_path / "set"), load_config("digits-mlp", {"image": [8, 8, 3]}), held_out=1).train.source
    assert np.array_equal(read_all(found), IMAGES)
    labels = None if write is write_lmdb else LABELS
    assert (None if found.labels is None else found.labels.tolist()) == labels
    write_set(plan_preparation(str(tmp_path / "set"), tmp_path / "out"), workers=workers)
    prepared = open_set(tmp_path / "out").images
    assert np.array_equal(read_all(prepared), IMAGES)
    assert (None if prepared.labels is None else prepared.labels.tolist()) == labels
    assert list(prepared.names) == list(found.names)


@pytest.fixture
def project(tmp_path):
    """A project with images in inputs/faces, and the path of a checkpoint of its run runs/one."""
    (tmp_path / "project" / "inputs" / "faces").mkdir(parents=True)
    checkpoint = tmp_path / "project" / "runs" / "one" / "checkpoints" / "step-00000004"
    checkpoint.mkdir(parents=True)
    return tmp_path / "project", checkpoint


@pytest.mark.parametrize("recorded", ["inputs/faces", "/elsewhere/project/inputs/faces"])
def test_images_of_a_run_are_found_beside_it(project, recorded, monkeypatch, tmp_path):
    directory, checkpoint = project
    monkeypatch.chdir(tmp_path)
    told = []
    assert require_found(recorded, checkpoint, told.append) == str(directory / "inputs" / "faces")
    (line,) = told
    assert line.endswith(f"recorded as {recorded}, are read from {directory / 'inputs' / 'faces'}")
    monkeypatch.chdir(checkpoint)
    relative = Path("../../../../runs/one/checkpoints/step-00000004")
    assert find_again(recorded, relative) == str(directory / "inputs" / "faces")


def test_images_of_a_run_that_are_where_they_were_are_read_there(project, capsys):
    directory, checkpoint = project
    other = directory / "runs" / "one" / "faces"
    other.mkdir()
    path = str(directory / "inputs" / "faces")
    assert require_found(path, checkpoint) == path
    assert require_found("digits", checkpoint) == "digits"
    assert not capsys.readouterr().out


def test_the_error_about_lost_images_names_the_option_for_their_place(project):
    _, checkpoint = project
    with pytest.raises(DataError, match=r"no data '/elsewhere/cats', .* with --data, or as SOURCE$"):
        require_found("/elsewhere/cats", checkpoint)


def test_paths_become_absolute_and_names_of_data_sets_do_not(project, monkeypatch):
    directory, _ = project
    monkeypatch.chdir(directory)
    (directory / "mnist").mkdir()
    assert make_absolute("inputs/../inputs/faces") == str(directory / "inputs" / "faces")
    assert [make_absolute(name) for name in ("mnist", "digits", "absent", "")] == ["mnist", "digits", "absent", ""]
