"""Tables of labels beside picture files: the accepted forms, and errors."""

import csv

import pytest
from PIL import Image

from alae_workbench import DataError
from alae_workbench.data.collection import decode
from alae_workbench.data.resolve import open_source

PLACES = ["a/0.png", "a/1.png", "b/2.jpg"]


@pytest.fixture
def folder(tmp_path):
    for place in PLACES:
        (tmp_path / place).parent.mkdir(exist_ok=True)
        Image.new("L", (4, 4)).save(tmp_path / place)
    return tmp_path


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
    ],
)
def test_rows_label_images(folder, table, labels, names):
    (folder / "labels.csv").write_text(table, encoding="utf-8", newline="")
    found = open_source(str(folder))
    assert (found.labels.tolist(), found.label_names) == (labels, names)
    assert folder / "labels.csv" in found.stored


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


def test_a_file_name_shared_by_two_images_is_not_accepted(folder):
    Image.new("L", (4, 4)).save(folder / "b" / "0.png")
    (folder / "labels.csv").write_text("f,class\n0.png,1\n1,2\n2,3\n")
    with pytest.raises(DataError, match=r"2 of 4 images have no row, the first is 'a/0.png'"):
        open_source(str(folder))


def test_a_column_of_too_many_texts_is_refused(tmp_path):
    for number in range(101):
        Image.new("L", (4, 4)).save(tmp_path / f"{number}.png")
    rows = [f"{number},1,text {min(number, 99)}\n" for number in range(101)]
    table = tmp_path / "labels.csv"
    table.write_text("file,a,b\n" + "".join(rows))
    assert open_source(str(tmp_path)).labels.shape == (101, 101)
    table.write_text("file,a,b\n" + "".join(rows[:100]) + "100,1,text 100\n")
    with pytest.raises(DataError, match="'b' has 101 different texts, but an attribute may have at most 100: remove"):
        open_source(str(tmp_path))


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
        (b"file;class\n0;1\n", "it needs a column of names and a column of labels, separated by commas"),
        (
            b"a/0.png,1\na/1.png,1\n",
            "its first row names an image, 'a/0.png': add a header row such as file,label",
        ),
        (
            HEAD.encode(),
            "1 of 3 images have no row, the first is 'b/2.jpg': add the rows, or move the table out of the folder",
        ),
        (b"file,class\nx,1\n", "3 of 3 images have no row, the first is 'a/0.png'"),
        (b"file,class\n0\0,1\n1,1\n2,1\n", "1 of 3 images have no row, the first is 'a/0.png'|contains NUL"),
        ((HEAD + "2\n").encode(), "row 4 has 1 values, but the header has 2"),
        ((HEAD + "2,1\na/0.png,1\n").encode(), "row 5 names 'a/0.png' again"),
        ((HEAD + "2,\n").encode(), "row 4 has no value for 'class'"),
        (
            b"file,a,b\n0,1,x\n1,1,1\n2,1,1\n",
            "'b' has the value 'x', which is not a number: attributes must be numbers",
        ),
        (b"file,a,b\n0,1,nan\n1,1,1\n2,1,1\n", "'b' has the value 'nan', which is not a number"),
        (b"file,a,b\n0,1,1e999\n1,1,1\n2,1,1\n", "'b' has the value '1e999', which is not a number"),
        (HEAD.encode() + b"2,\xff\n", "it is not in UTF-8"),
        ((HEAD + "2," + "x" * 200_000).encode(), r"field larger than field limit \(131072\)"),
    ],
)
def test_invalid_tables_are_refused_in_one_line(folder, table, message):
    (folder / "labels.csv").write_bytes(table)
    with pytest.raises(DataError, match=message) as found:
        open_source(str(folder))
    assert str(found.value).isprintable()


def test_the_header_suggested_by_the_error_works(folder):
    rows = "a/0.png,1\na/1.png,1\nb/2.jpg,0\n"
    (folder / "labels.csv").write_text(rows)
    with pytest.raises(DataError, match="such as file,label"):
        open_source(str(folder))
    (folder / "labels.csv").write_text("file,label\n" + rows)
    assert open_source(str(folder)).labels.tolist() == [1, 1, 0]
