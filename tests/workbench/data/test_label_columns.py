"""Columns of tables beside picture files, converted to classes and attributes, and errors."""

import csv

import pytest
from PIL import Image

from alae_workbench import DataError
from alae_workbench.data.collection import decode
from alae_workbench.data.options import SourceOptions
from alae_workbench.data.resolve import open_source

PLACES = ["a/0.png", "a/1.png", "b/2.jpg"]


@pytest.fixture
def folder(tmp_path):
    for place in PLACES:
        (tmp_path / place).parent.mkdir(exist_ok=True)
        Image.new("L", (4, 4)).save(tmp_path / place)
    return tmp_path


FOUND = ("found-a", "found-b", "found-c")


@pytest.mark.parametrize(
    ("table", "labels", "names"),
    [
        ("file,class\na/0.png,3\na/1.png,0\nb/2.jpg,3\n", [3, 0, 3], ()),
        ("class,file\n3,0.png\n0,./a/1\n3.0,2\n", [3, 0, 3], ()),
        (
            "\ufeffimage_id,kind\r\na\\0.png,dog\r\n1.png,cat\r\nb/2,dog\r\n\r\nabsent.png,fox\r\n",
            [1, 0, 1],
            ("cat", "dog"),
        ),
        ("id,class\n0.png,1_0\n1.png,2\n2.jpg,2\n", [0, 1, 1], ("1_0", "2")),
        ('n,a,"b, c"\n0,1,-1\n1,-1,1\n2,0,1e0\n', [[1, -1], [-1, 1], [0, 1]], ("a", "b, c")),
        ("n,a,b\n0,1,.5\n1,-1,1\n2,0,2e-1\n", [[1, 0.5], [-1, 1], [0, 0.2]], ("a", "b")),
        (
            "n,hat,hair,skin\n0,7,red,light\n1,8,black,dark\n2,9,grey,light\n",
            [[7, 0, 0, 1, 1], [8, 1, 0, 0, 0], [9, 0, 1, 0, 1]],
            ("hat", "hair-black", "hair-grey", "hair-red", "skin-light"),
        ),
        ("n,a,b\n0,1,x\n1,1,x\n2,1,x\n", [[1, 1], [1, 1], [1, 1]], ("a", "b-x")),
        ("n,found\n0,a|b\n1,b\n2,c | a\n", [[1, 1, 0], [0, 1, 0], [1, 0, 1]], ("found-a", "found-b", "found-c")),
        ("File,class\nA/0.PNG,3\n1.Png,0\nB/2.JPG,3\n", [3, 0, 3], ()),
        ("n,found\n0,\"['a', 'b']\"\n1,['b']\n2,\"['c', 'a']\"\n", [[1, 1, 0], [0, 1, 0], [1, 0, 1]], FOUND),
        ("n,class\n0,1\n1,2\n0,1\n2,1\n", [1, 2, 1], ()),
        ("n,class\n0.0,1\n1.0,2\n2.0,1\n", [1, 2, 1], ()),
        ("# from a tool\n# version 2\nn,class\n0,1\n1,2\n2,1\n", [1, 2, 1], ()),
        ("n,class\n0.tif,1\nold/1.tif,2\nb/2.tif,1\n", [1, 2, 1], ()),
    ],
    ids=[
        "numbers",
        "column by its name",
        "texts",
        "digits that are not a number",
        "whole attributes",
        "attributes",
        "three, two and no texts",
        "one text",
        "lists of texts",
        "names in another case",
        "lists of Python",
        "a row twice",
        "numbers of images as floats",
        "comments",
        "images that were converted",
    ],
)
def test_rows_label_images(folder, table, labels, names):
    (folder / "labels.csv").write_text(table, encoding="utf-8", newline="")
    found = open_source(str(folder))
    assert (found.labels.tolist(), found.label_names) == (labels, names)
    assert folder / "labels.csv" in found.stored


def test_the_names_of_a_table_and_of_images_are_compared_in_messages(folder):
    (folder / "labels.csv").write_text("n,class\nhttps://a.org/x.png?1,7\nhttps://a.org/y.png?1,8\n")
    text = open_source(str(folder)).label_text
    assert "3 of 3 images have no row: it names 'https://a.org/x.png?1', but the first image is 'a/0.png'" in text


def test_quoted_cells_are_read(folder):
    with (folder / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
        writer.writerows([("path", "a\nb", "c"), *((place, place.count("a"), 2) for place in PLACES)])
    assert open_source(str(folder)).label_names == ("a b", "c")


def test_a_whole_path_takes_precedence_over_a_file_name(folder):
    for place in ("c.png", "c.png.jpg", "a/c.jpg"):
        Image.new("L", (4, 4)).save(folder / place)
    (folder / "labels.csv").write_text("f,class\nc.png,9\nc.png.jpg,8\na/c,7\n0,1\n1,2\n2,3\n")
    found = open_source(str(folder))
    assert dict(zip(found.names, found.labels.tolist(), strict=True)) == {
        "a/0.png": 1,
        "a/1.png": 2,
        "a/c.jpg": 7,
        "b/2.jpg": 3,
        "c.png": 9,
        "c.png.jpg": 8,
    }


def test_names_that_differ_only_in_case_are_kept_apart(folder):
    Image.new("L", (4, 4)).save(folder / "a" / "X.png")
    Image.new("L", (4, 4)).save(folder / "a" / "x.png")
    (folder / "labels.csv").write_text("f,class\nX.png,7\nx.png,8\n0,1\n1,2\n2,3\n")
    found = open_source(str(folder))
    labels = dict(zip(found.names, found.labels.tolist(), strict=True))
    assert (labels["a/X.png"], labels["a/x.png"]) == (7, 8)


def test_nan_is_no_class(folder):
    (folder / "labels.csv").write_text("f,class\n0,cat\n1,nan\n2,dog\n")
    assert "'class' has no value for 1 of 3 images, such as 'a/1.png'" in open_source(str(folder)).label_text


def read_chosen(folder):
    return open_source(str(folder), SourceOptions(labels="labels.csv"))


def test_a_file_name_shared_by_two_images_is_not_accepted(folder):
    Image.new("L", (4, 4)).save(folder / "b" / "0.png")
    (folder / "labels.csv").write_text("f,class\n0.png,1\n1,2\n2,3\n")
    with pytest.raises(DataError, match=r"2 of 4 images have no row, the first is 'a/0.png'"):
        read_chosen(folder)
    assert open_source(str(folder)).label_names == ("a", "b")


def test_a_column_of_too_many_texts_is_dropped(tmp_path):
    for number in range(101):
        Image.new("L", (4, 4)).save(tmp_path / f"{number}.png")
    rows = [f"{number},{number % 2},{number % 3},text {min(number, 99)}\n" for number in range(101)]
    table = tmp_path / "labels.csv"
    table.write_text("file,a,b,c\n" + "".join(rows))
    assert open_source(str(tmp_path)).labels.shape == (101, 102)
    table.write_text("file,a,b,c\n" + "".join(rows[:100]) + "100,1,1,text 100\n")
    found = open_source(str(tmp_path))
    assert found.label_names == ("a", "b")
    reason = "'c' has 101 different texts; an attribute may have at most 100"
    assert found.label_text == f"2 attributes from labels.csv (not used: {reason})"


def test_labels_reach_the_decoded_source(folder):
    (folder / "labels.csv").write_text("f,class\n0,2\n1,1\n2,0\n")
    images, _ = decode(open_source(str(folder)), (4, 4, 1))
    assert images.labels.tolist() == [2, 1, 0]


def test_several_tables_are_ignored(folder):
    for name in ("a.csv", "b.csv"):
        (folder / name).write_text("anything")
    assert open_source(str(folder)).label_names == ("a", "b")


HEAD = "file,class\n0,1\n1,1\n"


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (b"", "it needs a column of names and a column of labels"),
        (b"file\n0\n1\n2\n", "it needs a column of names and a column of labels"),
        (HEAD.encode(), "1 of 3 images have no row, the first is 'b/2.jpg'"),
        (b"file,class\nx,1\n", "2 of 3 images have no row"),
        (b"file,class\n0\0,1\n1,1\n2,1\n", "1 of 3 images have no row, the first is 'a/0.png'"),
        ((HEAD + "2\n").encode(), "row 4 has 1 values, but the header has 2"),
        ((HEAD + "2,1\na/0.png,1\n").encode(), "row 5 names 'a/0.png' again"),
        ((HEAD + "2,\n").encode(), "'class' has no value for 1 of 3 images, such as 'b/2.jpg'"),
        (b"file,caption\n0,a cat\n1,a dog\n2,a fox\n", "'caption' has another value for every image"),
        ((HEAD + "2," + "x" * 200_000).encode(), r"field larger than field limit \(131072\)"),
    ],
)
def test_unusable_tables_are_an_error_only_if_they_are_chosen(folder, table, message):
    (folder / "labels.csv").write_bytes(table)
    with pytest.raises(DataError, match=f"labels cannot be read from labels.csv: {message}") as error:
        read_chosen(folder)
    assert str(error.value).isprintable()
    found = open_source(str(folder))
    assert (found.labels.tolist(), found.label_names) == ([0, 0, 1], ("a", "b"))
    assert found.label_text.startswith("2 classes from folders (found labels.csv, not used: ")


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        (b"file,a,b\n0,1,x\n1,0,1\n2,1,1\n", "'b' has numbers and texts, such as 'x'"),
        (b"file,a,b\n0,1,nan\n1,0,1\n2,1,1\n", "'b' has numbers and texts, such as 'nan'"),
        (b"file,a,b\n0,1,1e999\n1,0,1\n2,1,1\n", "'b' has numbers and texts, such as '1e999'"),
        (b"file,a,b\n0,1,\n1,0,1\n2,1,1\n", "'b' has no value for 1 of 3 images, such as 'a/0.png'"),
        (b"file,width,a\n0,8,1\n1,9,0\n2,8,1\n", "'width' not taken for labels"),
        (b"file,split,text,a\n0,8,x,1\n1,9,y,0\n2,8,z,1\n", "'split', 'text' not taken for labels"),
    ],
)
def test_columns_that_are_no_labels_are_dropped_with_a_reason(folder, table, reason):
    (folder / "labels.csv").write_bytes(table)
    found = open_source(str(folder))
    assert found.labels.tolist() == [1, 0, 1]
    assert found.label_text == f"2 classes from labels.csv (not used: {reason})"
