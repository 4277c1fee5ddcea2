"""Parsing of options that several commands share."""

import pytest
import typer

from alae_cli.options import parse_image_count, parse_list, parse_overrides
from alae_core import AlaeError, ArgumentError


def test_lists_are_split_at_commas_and_options_may_be_repeated():
    assert parse_list("seeds", ["0,1", " 2 "], int) == [0, 1, 2]
    assert parse_list("measures", ["psnr"], str) == ["psnr"]
    assert parse_list("seeds", None, int) == []


@pytest.mark.parametrize(
    ("text", "convert", "message"),
    [
        ("0,x", int, "seeds is '0,x': 'x' is not a whole number"),
        ("0,many", float, "seeds is '0,many': 'many' is not a number"),
        ("0,,1", int, "seeds is '0,,1': a value is empty"),
        ("", str, "a value is empty"),
    ],
)
def test_the_error_names_a_wrong_value_in_a_list(text, convert, message):
    with pytest.raises(ArgumentError, match=message):
        parse_list("seeds", [text], convert)


@pytest.mark.parametrize(
    ("text", "count"), [("20000", 20_000), ("600k", 600_000), ("2M", 2_000_000), ("0.5m", 500_000)]
)
def test_numbers_of_images_may_be_in_thousands_and_millions(text, count):
    assert parse_image_count(text) == count


@pytest.mark.parametrize("text", ["many", "", "k", "inf", "nan"])
def test_a_wrong_number_of_images_is_refused(text):
    with pytest.raises(typer.BadParameter, match="must be a number such as 20000, 600k or 2M"):
        parse_image_count(text)


def test_overrides_are_yaml():
    assert parse_overrides(["a.b=1", "c=[1, x]", "d="]) == {"a.b": 1, "c": [1, "x"], "d": None}
    assert parse_overrides(None) == {}


@pytest.mark.parametrize(
    ("text", "message"), [("a", "must be KEY=VALUE"), ("=1", "must be KEY=VALUE"), ("a=[1", "the value is not YAML")]
)
def test_the_error_names_a_wrong_override(text, message):
    with pytest.raises(AlaeError, match=message):
        parse_overrides([text])
