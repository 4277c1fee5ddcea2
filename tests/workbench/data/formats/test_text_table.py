"""Tables in text files, as spreadsheets, pandas and data sets write them."""

import pytest

from alae_workbench.data.formats.text_table import parse_text_table
from alae_workbench.data.label_columns import convert_columns
from alae_workbench.data.label_matching import index_names, match_rows

NAMES = ["a/0.png", "a/1.png", "b/2.png"]


def read(content, names=NAMES, folder=""):
    index_of = index_names(names, folder)
    table = parse_text_table(content.encode() if isinstance(content, str) else content, index_of)
    found = convert_columns(match_rows(table, index_of, len(names)), names)
    return found.values.tolist(), found.names


@pytest.mark.parametrize(
    "content",
    [
        "file,label\n0.png,1\n1.png,0\n2.png,1\n",
        "file;label\r\n0.png;1\r\n1.png;0\r\n2.png;1\r\n",
        "file\tlabel\n0.png\t1\n1.png\t0\n2.png\t1\n",
        "file|label\n0.png|1\n1.png|0\n2.png|1\n",
        '\ufeff"file","label"\n"0.png","1"\n"1.png","0"\n"2.png","1"\n',
        "file,label,\n0.png,1,\n1.png,0,\n2.png,1,\n",
        ",image,label\n0,0.png,1\n1,1.png,0\n2,2.png,1\n",
        ",label\na/0.png,1\na/1.png,0\nb/2.png,1\n",
        "Unnamed: 0,label,fname\n0,1,2.png\n1,0,1.png\n2,1,0.png\n",
        "index,label,fname\n7,1,2.png\n8,0,1.png\n9,1,0.png\n",
        "a/0.png,1\na/1.png,0\nb/2.png,1\n",
        "0.png 1\n1.png 0\n2.png 1\n",
        "3\n0.png  1\n1.png  0\n2.png  1\n",
        "label,file\n1.0,a\\0.png\n0.0,a\\1.png\n1.0,b\\2.png\n",
        "path,label\n/home/me/set/a/0.png,1\n/home/me/set/a/1.png,0\n/home/me/set/b/2.png,1\n",
        "id,label\n0,1\n1,0\n2,1\n",
        "file,zero,one\n0.png,0,1\n1.png,1,0\n2.png,0,1\n",
        "file,0,1\n0.png,0.0,1.0\n1.png,1.0,0.0\n2.png,0.0,1.0\n",
        "file,label\nx.png,9\n0.png,1\n1.png,0\ny.png,\n2.png,1\n",
    ],
    ids=[
        *("commas", "semicolons and CRLF", "tabs", "bars", "quotes and a mark", "empty last column", "index of pandas"),
        *("names as an index", "another index", "a named index", "no header", "spaces without a header"),
        *("number of rows first", "backslashes", "other folders", "names without endings", "one-hot"),
        *("one-hot with numbers", "other images"),
    ],
)
def test_forms_of_the_same_table(content):
    assert read(content)[0] == [1, 0, 1]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
def test_encodings(encoding):
    content = "file,label\n0.png,Käse\n1.png,Brot\n2.png,Käse\n".encode(encoding)
    assert read(content) == ([1, 0, 1], ("Brot", "Käse"))


def test_decimal_commas_are_read_between_semicolons():
    assert read("file;a;b\n0;0,5;1\n1;-1,25;2\n2;0;3\n") == ([[0.5, 1], [-1.25, 2], [0, 3]], ("a", "b"))


def test_header_of_celeba_lacks_the_title_of_the_names():
    content = "3\nSmiling Male \n0.png  1 -1\n1.png -1 -1\n2.png  1  1\n"
    assert read(content) == ([[1, -1], [-1, -1], [1, 1]], ("Smiling", "Male"))


def test_a_title_may_be_the_name_of_an_image():
    names = ["image.png", "label.png", "x.png"]
    assert read("image,label\nimage.png,1\nlabel.png,0\nx.png,1\n", names)[0] == [1, 0, 1]


def test_names_are_compared_without_their_case_of_accents_and_leading_zeros():
    names = ["0007.png", "0008.png", "e\u0301.png"]
    assert read("file,label\n7,1\n8,0\n\u00e9,1\n", names)[0] == [1, 0, 1]


def test_names_are_relative_to_the_folder_of_the_table():
    names = ["a/0.png", "b/0.png", "b/1.png"]
    index_of = index_names(names, "b/")
    table = parse_text_table(b"file,label\n0.png,1\n1.png,0\n", index_of)
    assert match_rows(table, index_of, 3).rows == [None, ["1"], ["0"]]


def test_a_path_that_names_an_image_is_preferred_to_a_moved_one():
    assert read("file,label\na/0.png,1\na/1.png,0\nb/2.png,1\nc/0.png,5\n")[0] == [1, 0, 1]
    with pytest.raises(ValueError, match=r"row 3 names 'd/0.png' again"):
        read("file,label\nc/0.png,1\nd/0.png,0\nc/2.png,1\n", ["0.png", "1.png", "2.png"])
