"""Where the labels of pictures come from: every place, the order among them, and the user's choice."""

import io
import json
import shutil
import tarfile
import zipfile

import numpy as np
import pytest
from PIL import Image

from alae_workbench import DataError
from alae_workbench.data.collection import decode
from alae_workbench.data.labels import describe_labels
from alae_workbench.data.listing import describe_skipped
from alae_workbench.data.load import load_data
from alae_workbench.data.options import SourceOptions
from alae_workbench.data.resolve import open_source
from alae_workbench.data.source import read_all
from tests.helpers.data import make_config
from tests.helpers.requirements import REPORTS, needs_reports

#: the class of each picture; they are interleaved, so that a wrong order shows
CLASSES = [2, 0, 1, 1, 2, 0, 0, 1]


def draw(number):
    """Return an image whose pixels tell its number and orientation: red counts rows, green columns, blue the number."""
    rows, columns = np.mgrid[:8, :8]
    return np.stack([rows * 20, columns * 20, np.full_like(rows, number * 10)], -1).astype(np.uint8)


def encode(number, kind="png"):
    content = io.BytesIO()
    Image.fromarray(draw(number)).save(content, kind)
    return content.getvalue()


def write_pictures(folder, places):
    """Write picture i of `places` with the pixels of `draw(i)`."""
    for number, place in enumerate(places):
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).write_bytes(encode(number))
    return folder


def read_labels(path, **options):
    """Return the label of each image by the number in its pixels, after checking the pixels."""
    found, faults = decode(open_source(str(path), SourceOptions(**options)), (8, 8, 3))
    assert faults == []
    pixels = read_all(found)
    numbers = pixels[:, 0, 0, 2] // 10
    assert np.array_equal(pixels, np.stack([draw(number) for number in numbers]))
    return (
        None
        if found.labels is None
        else {int(number): label for number, label in zip(numbers, found.labels.tolist(), strict=True)}
    )


def by_number(labels):
    return dict(enumerate(labels))


STYLEGAN = [f"{number // 4:05d}/img{number:08d}.png" for number in range(8)]
FLAT = [f"{number}.png" for number in range(8)]


@pytest.mark.parametrize(
    ("labels", "expected", "text"),
    [
        (CLASSES, CLASSES, "3 classes from dataset.json"),
        ([float(label) for label in CLASSES], CLASSES, "3 classes from dataset.json"),
        ([[label] for label in CLASSES], CLASSES, "3 classes from dataset.json"),
        (np.eye(3, dtype=int)[CLASSES].tolist(), CLASSES, "3 classes from dataset.json"),
        ([[label, 0.5] for label in CLASSES], [[label, 0.5] for label in CLASSES], "2 attributes from dataset.json"),
        ([str("abc"[label]) for label in CLASSES], CLASSES, "3 classes from dataset.json"),
    ],
    ids=["integers", "floats", "lists of one", "one-hot", "attributes", "texts"],
)
@pytest.mark.parametrize("pack", ["folder", "zip"])
def test_labels_of_stylegan_come_from_its_dataset_json(tmp_path, labels, expected, text, pack):
    folder = write_pictures(tmp_path / "set", STYLEGAN)
    (folder / "dataset.json").write_text(json.dumps({"labels": list(zip(STYLEGAN, labels, strict=True))}))
    path = shutil.make_archive(str(folder), "zip", folder) if pack == "zip" else folder
    assert read_labels(path) == by_number(expected)
    assert open_source(str(path)).label_text == text


def test_null_in_dataset_json_means_no_labels(tmp_path):
    folder = write_pictures(tmp_path / "set", ["cats/0.png", "dogs/1.png"])
    (folder / "dataset.json").write_text('{"labels": null}')
    assert read_labels(folder) is None
    assert open_source(str(folder)).label_text == "none (dataset.json says so)"


def test_folders_that_number_images_are_not_classes(tmp_path):
    folder = write_pictures(tmp_path / "a", ["00000/img00000000.png", "00001/img00001000.png"])
    assert read_labels(folder) is None
    folder = write_pictures(tmp_path / "b", ["00000/00007.png", "31000/31042.png"])
    assert open_source(str(folder)).label_text == "none (folders 00000, 31000, … only number the images)"
    assert read_labels(write_pictures(tmp_path / "c", ["3/0.png", "7/1.png"])) == {0: 0, 1: 1}


@pytest.mark.parametrize(
    ("train", "held_out"),
    [
        ("train/{}", "val/{}"),
        ("Train/{}", "Valid/{}"),
        ("training_set/training_set/{}", "test_set/test_set/{}"),
        ("seg_train/seg_train/{}", "seg_test/seg_test/{}"),
        ("set/images/train2017/{}", "set/images/val2017/{}"),
        ("train/images/{}", "test/images/{}"),
        ("{}/train", "{}/test"),
    ],
)
@pytest.mark.parametrize("pack", ["folder", "zip", "tar"])
def test_splits_are_trained_on_or_held_out_with_the_classes_below(tmp_path, train, held_out, pack):
    names = [held_out if number > 5 else train for number in range(8)]
    places = [f"{name.format('cdb'[CLASSES[i]])}/{i}.png" for i, name in enumerate(names)]
    path = write_pictures(tmp_path / "x", places)
    if pack != "folder":
        path = shutil.make_archive(str(path), pack, path)
    data = load_data(str(path), make_config(image=[8, 8, 3]), held_out=1)
    for part, numbers in ((data.train, range(6)), (data.held_out, (6, 7))):
        found = dict(zip((read_all(part)[:, 0, 0, 2] // 10).tolist(), part.labels.tolist(), strict=True))
        # Classes are numbered alphabetically: b, c, d are 0, 1, 2, and CLASSES counts c, d, b.
        assert found == {number: (CLASSES[number] + 1) % 3 for number in numbers}
        assert part.label_names == ("b", "c", "d")


def test_held_out_pictures_without_classes_are_skipped_if_others_have_them(tmp_path):
    folder = write_pictures(tmp_path / "x", ["train/a/0.png", "train/b/1.png", "test/2.png", "val/a/3.png"])
    found = open_source(str(folder))
    assert (len(found), len(found.test)) == (2, 1)
    assert describe_skipped(found.skipped) == "1 file skipped: 1 .png (held-out images without a label)"
    found = open_source(str(write_pictures(tmp_path / "y", ["train/0.png", "train/1.png", "test/2.png"])))
    assert (len(found), len(found.test), found.label_text) == (2, 1, "none")


def test_class_folders_lie_below_the_folder_that_all_share(tmp_path):
    """As in a zip made on a Mac, with its leftovers, or on Windows, with backslashes."""
    with zipfile.ZipFile(tmp_path / "mac.zip", "w") as archive:
        for number, label in enumerate(CLASSES):
            archive.writestr(f"photos/{'abc'[label]}/{number}.png", encode(number))
            archive.writestr(f"__MACOSX/photos/{'abc'[label]}/._{number}.png", b"resource fork")
        archive.writestr("photos/.DS_Store", b"x")
        archive.writestr("__MACOSX/photos/icon.png", encode(0))
    assert read_labels(tmp_path / "mac.zip") == by_number(CLASSES)
    found = open_source(str(tmp_path / "mac.zip"))
    assert describe_skipped(found.skipped) == "10 files skipped: 9 .png, 1 without ending (hidden)"
    with zipfile.ZipFile(tmp_path / "windows.zip", "w") as archive:
        for number, label in enumerate(CLASSES):
            info = zipfile.ZipInfo("x")
            info.filename = f"photos\\{'abc'[label]}\\{number}.png"
            archive.writestr(info, encode(number))
    assert read_labels(tmp_path / "windows.zip") == by_number(CLASSES)


def test_an_image_outside_of_class_folders_is_named(tmp_path):
    folder = write_pictures(tmp_path, ["a/0.png", "b/1.png", "preview.png"])
    reason = "found folders, not used: 1 of 3 images lie outside of them, such as 'preview.png'"
    assert open_source(str(folder)).label_text == f"none ({reason})"


CELEBA = "8\nSmiling Male Young \n" + "".join(
    f"{number:06d}.jpg {1 if number % 2 else -1:2d} {-1 if number < 3 else 1:2d}  1\n" for number in range(8)
)
ATTRIBUTES = [[1 if number % 2 else -1, -1 if number < 3 else 1, 1] for number in range(8)]


@pytest.mark.parametrize("place", ["inside", "beside", "beside a zip"])
def test_attributes_of_celeba_come_from_its_text_file(tmp_path, place):
    folder = write_pictures(tmp_path / "celeba" / "img_align_celeba", [f"{number:06d}.jpg" for number in range(8)])
    (folder.parent / "list_attr_celeba.txt").write_text(CELEBA)
    path = {"inside": folder.parent, "beside": folder}.get(place) or shutil.make_archive(str(folder), "zip", folder)
    assert read_labels(path) == by_number(ATTRIBUTES)
    assert open_source(str(path)).label_names == ("Smiling", "Male", "Young")


def test_of_several_tables_the_one_of_attributes_is_taken(tmp_path):
    """Kaggle distributes CelebA with four tables, all of which name all images."""
    names = [f"{number:06d}.jpg" for number in range(8)]
    write_pictures(tmp_path / "img_align_celeba" / "img_align_celeba", names)

    def write(name, header, row):
        lines = [header, *(f"{name},{row(number)}" for number, name in enumerate(names))]
        (tmp_path / name).write_text("\n".join(lines))

    write("list_attr_celeba.csv", "image_id,Smiling,Male,Young", lambda n: ",".join(map(str, ATTRIBUTES[n])))
    write("list_bbox_celeba.csv", "image_id,x_1,y_1,width,height", lambda n: f"{n},2,3,4")
    write("list_eval_partition.csv", "image_id,partition", lambda n: n // 7)
    write("list_landmarks_align_celeba.csv", "image_id,lefteye_x,lefteye_y,nose_x,nose_y", lambda n: f"{n},1,2,3")
    assert read_labels(tmp_path) == by_number(ATTRIBUTES)
    assert read_labels(tmp_path, labels="list_eval_partition.csv") == by_number([0] * 7 + [1])


def test_of_several_tables_that_fit_one_must_be_chosen(tmp_path):
    write_pictures(tmp_path, FLAT)
    for name, labels in (("a.csv", CLASSES), ("b.csv", CLASSES[::-1])):
        rows = "".join(f"{number},{label}\n" for number, label in enumerate(labels))
        (tmp_path / name).write_text(f"file,label\n{rows}")
    assert read_labels(tmp_path) is None
    text = "none (a.csv and b.csv all name the images: choose one with --labels)"
    assert open_source(str(tmp_path)).label_text == text
    assert read_labels(tmp_path, labels="b.csv") == by_number(CLASSES[::-1])
    with pytest.raises(DataError, match=r"there is no file 'c.csv' .*the data holds 'a.csv', 'b.csv'"):
        open_source(str(tmp_path), SourceOptions(labels="c.csv"))


@pytest.mark.parametrize("pack", ["folder", "zip"])
def test_metadata_of_the_hub_labels_the_images_of_its_folder(tmp_path, pack):
    names = [f"{number % 2}.png" for number in range(8)]
    places = [f"{'abcd'[number // 2]}/{name}" for number, name in enumerate(names)]
    folder = write_pictures(tmp_path / "x", places)
    for group in range(4):
        rows = [
            {"file_name": names[number], "label": CLASSES[number], "text": f"caption {number}", "boxes": [[1, 2]]}
            for number in (2 * group, 2 * group + 1)
        ]
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / "abcd"[group] / "metadata.jsonl").write_text(lines)
    path = shutil.make_archive(str(folder), "zip", folder) if pack == "zip" else folder
    assert read_labels(path) == by_number(CLASSES)
    assert "3 classes from metadata.jsonl" in open_source(str(path)).label_text


def write_shard(path, numbers, extra):
    with tarfile.open(path, "w") as archive:
        for number in numbers:
            for ending, content in {"png": encode(number), **extra(number)}.items():
                info = tarfile.TarInfo(f"{number:04d}.{ending}")
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))


@pytest.mark.parametrize(
    ("extra", "text"),
    [
        (lambda n: {"cls": str(CLASSES[n]).encode()}, "3 classes from KEY.cls"),
        (lambda n: {"json": json.dumps({"label": CLASSES[n], "width": 8}).encode()}, "3 classes from KEY.json"),
        (lambda n: {"json": b"{}", "txt": b"a caption"}, "none"),
    ],
)
def test_shards_of_webdataset_are_read_with_the_classes_beside_each_picture(tmp_path, extra, text):
    folder = tmp_path / "set"
    folder.mkdir()
    for shard in range(4):
        write_shard(folder / f"shard-{shard:06d}.tar", range(2 * shard, 2 * shard + 2), extra)
    assert read_labels(folder) == (None if text == "none" else by_number(CLASSES))
    assert open_source(str(folder)).label_text == text
    found = open_source(str(folder / "shard-000001.tar"))
    assert (len(found), found.label_text.rpartition(" ")[2]) == (2, text.rpartition(" ")[2])


@pytest.mark.parametrize(
    "rows",
    [
        dict(zip(["0.jpg", "1.jpg", "2.jpg"], "bab", strict=True)),
        [{"image": str(i), "label": c} for i, c in enumerate("bab")],
    ],
)
def test_labels_may_be_in_json_of_any_name(tmp_path, rows):
    folder = write_pictures(tmp_path, ["0.png", "1.png", "2.png"])
    (folder / "classes.json").write_text(json.dumps(rows))
    found = open_source(str(folder))
    assert (found.labels.tolist(), found.label_text) == ([1, 0, 1], "2 classes from classes.json")
    (folder / "other.json").write_text(json.dumps(dict.fromkeys("012", "c")))
    assert open_source(str(folder), SourceOptions(labels="other.json")).labels.tolist() == [0, 0, 0]


def test_names_in_dataset_json_may_be_those_before_a_conversion(tmp_path):
    folder = write_pictures(tmp_path, [f"{number:04d}.png" for number in range(8)])
    (folder / "dataset.json").write_text(json.dumps({"labels": [[f"{i:04d}.jpg", c] for i, c in enumerate(CLASSES)]}))
    assert read_labels(folder) == dict(enumerate(CLASSES))
    # The classes 0, 1 and 2 are not taken for numbers of images.
    (folder / "dataset.json").write_text(json.dumps({"labels": [[f"x{i:04d}.jpg", c] for i, c in enumerate(CLASSES)]}))
    assert "8 of 8 images have no row: it names 'x0000.jpg', but" in open_source(str(folder)).label_text


def test_a_class_without_training_pictures_is_named(tmp_path):
    folder = write_pictures(tmp_path, ["train/a/0.png", "train/b/1.png", "val/a/2.png", "val/c/3.png"])
    assert open_source(str(folder)).label_text == "2 classes from folders (folder c is only in the held-out split)"


def test_shards_may_be_named_after_splits(tmp_path):
    for number, name in enumerate(("train-0.tar", "train-1.tar", "val-0.tar")):
        write_shard(tmp_path / name, [2 * number, 2 * number + 1], lambda n: {"cls": str(CLASSES[n]).encode()})
    data = load_data(str(tmp_path), make_config(image=[8, 8, 3]), held_out=1)
    assert (data.train.labels.tolist(), data.held_out.labels.tolist()) == (CLASSES[:4], CLASSES[4:6])
    assert np.array_equal(read_all(data.held_out), np.stack([draw(4), draw(5)]))


def test_a_table_labels_the_training_split_only(tmp_path):
    """As in a competition of Kaggle: the classes of test images are secret."""
    write_pictures(tmp_path, [*(f"train/{name}" for name in FLAT[:6]), "test/6.png", "test/7.png"])
    rows = "".join(f"{number},{'abc'[label]}\n" for number, label in enumerate(CLASSES[:6]))
    (tmp_path / "labels.csv").write_text(f"id,breed\n{rows}")
    assert read_labels(tmp_path) == by_number(CLASSES[:6])
    assert open_source(str(tmp_path)).test is None


def test_folders_and_none_are_choices(tmp_path):
    folder = write_pictures(tmp_path, ["a/0.png", "b/1.png"])
    (folder / "labels.csv").write_text("file,label\n0,5\n1,7\n")
    assert read_labels(folder) == {0: 5, 1: 7}
    assert read_labels(folder, labels="folders") == {0: 0, 1: 1}
    assert read_labels(folder, labels="none") is None
    assert open_source(str(folder), SourceOptions(labels="none")).label_text == "none (as requested)"


def test_where_labels_come_from_is_told_of_every_part(tmp_path):
    folder = write_pictures(tmp_path, [f"{'ab'[number % 2]}/{number}.png" for number in range(8)])
    data = load_data(str(folder), make_config(image=[8, 8, 3]), held_out=2, margin=0)
    assert describe_labels(data.train) == describe_labels(data.held_out) == "2 classes from folders"


# ---- inputs from public reports --------------------------------------------------------------------------------------


def test_tables_beside_archives_label_their_pictures(tmp_path):
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        for number, name in enumerate(FLAT):
            archive.writestr(name, encode(number))
    rows = [{"file_name": name, "label": "abc"[label]} for name, label in zip(FLAT, CLASSES, strict=True)]
    (tmp_path / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert read_labels(tmp_path) == by_number(CLASSES)
    (tmp_path / "metadata.jsonl").unlink()
    (tmp_path / "mine.csv").write_text("".join(f"{row['file_name']},{row['label']}\n" for row in rows[1:]))
    assert "found mine.csv, not used: 1 of 8 images have no row" in open_source(str(tmp_path)).label_text


def test_a_table_that_numbers_the_images_has_no_classes(tmp_path):
    """CUB-200 numbers its images in images.txt; its classes are the folders."""
    places = [f"images/{'ab'[number % 2]}/{number}.png" for number in range(24)]
    folder = write_pictures(tmp_path, places)
    (folder / "images.txt").write_text("".join(f"{i + 1} {p.removeprefix('images/')}\n" for i, p in enumerate(places)))
    found = open_source(str(folder))
    assert found.label_text.startswith("2 classes from folders")
    assert found.labels.tolist() == [0] * 12 + [1] * 12


def test_attributes_of_celeba_mask_hq_lie_beside_its_images(tmp_path):
    folder = write_pictures(tmp_path / "CelebA-HQ-img", FLAT)
    rows = "".join(f"{name}  {label - 1} 1\n" for name, label in zip(FLAT, CLASSES, strict=True))
    (tmp_path / "CelebAMask-HQ-attribute-anno.txt").write_text(f"8\nSmiling Male\n{rows}")
    (tmp_path / "notes.txt").write_text(rows)
    assert read_labels(folder) == by_number([[label - 1, 1] for label in CLASSES])
    assert open_source(str(folder)).label_names == ("Smiling", "Male")


def test_arrays_of_labels_beside_pictures_are_named(tmp_path):
    folder = write_pictures(tmp_path, FLAT)
    (folder / "imagelabels.mat").write_bytes(b"")
    assert open_source(str(folder)).label_text.startswith("none (found imagelabels.mat, not used: store the labels")


@needs_reports
@pytest.mark.parametrize(
    ("name", "text", "counts"),
    [
        ("stylegan-zip/cond.zip", "3 classes from dataset.json", (40, 0, "")),
        ("imagefolder-train-val/data", "2 classes from folders", (20, 8, "")),
        ("celeba-attr-txt/celeba", "3 attributes from list_attr_celeba.txt", (20, 0, "")),
        ("celeba-attr-txt/celeba/img_align_celeba", "3 attributes from list_attr_celeba.txt", (20, 0, "")),
        ("csv-excel/semi", "2 classes from labels.csv", (6, 0, "")),
        ("csv-excel/tsv", "2 classes from labels.tsv", (6, 0, "")),
        ("csv-excel/quoted-bom", "2 classes from labels.csv", (6, 0, "")),
        ("csv-excel/latin1", "2 classes from labels.csv", (6, 0, "")),
        ("csv-excel/pandas-index", "2 classes from labels.csv", (6, 0, "")),
        ("csv-excel/imagefolder-jsonl", "2 classes from metadata.jsonl", (6, 0, "")),
        ("csv-excel/id-breed", "2 classes from labels.csv", (6, 0, "")),
        ("stray-csv/frames", "none (found t.csv, not used: ", (30, 0, "1 file skipped: 1 .csv (not images)")),
        ("stray-csv/partial", "none (found t.csv, not used: 10 of 30 images have no row", (30, 0, "1 file skipped")),
        ("stray-csv/log", "none (found t.csv, not used: ", (30, 0, "1 file skipped")),
        ("stray-csv/sizes", "none (found t.csv, not used: ", (30, 0, "1 file skipped")),
        ("odd-endings/orl", "2 classes from folders", (10, 0, "")),
        ("odd-endings/data", "none", (33, 0, "10 files skipped: 10 .heic (they need pip install 'alae[heif]')")),
        ("truncated/data", "none", (11, 0, "")),
        ("twelve-bit", "none", (10, 0, "1 file skipped: 1 .txt (not images)")),
        ("celeba-crop", "none", (1, 0, "1 file skipped: 1 .txt (not images)")),
    ],
)
def test_inputs_from_public_reports(name, text, counts):
    found = open_source(str(REPORTS / name))
    assert found.label_text.startswith(text)
    count, held_out, skipped = counts
    assert (len(found), len(found.test or [])) == (count, held_out)
    assert describe_skipped(found.skipped).startswith(skipped)


@needs_reports
def test_classes_of_the_reports_are_those_of_their_files():
    archive = REPORTS / "stylegan-zip" / "cond.zip"
    with zipfile.ZipFile(archive) as content:
        classes = dict(json.loads(content.read("dataset.json"))["labels"])
        found, _ = decode(open_source(str(archive)), (8, 8, 3))
        assert dict(zip(found.names, found.labels.tolist(), strict=True)) == classes
    table = (REPORTS / "celeba-attr-txt" / "celeba" / "list_attr_celeba.txt").read_text().splitlines()[2:]
    rows = {line.split()[0]: list(map(int, line.split()[1:])) for line in table}
    found = open_source(str(REPORTS / "celeba-attr-txt" / "celeba" / "img_align_celeba"))
    assert dict(zip(found.names, found.labels.tolist(), strict=True)) == rows
