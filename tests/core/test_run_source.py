"""Addresses of models on the Hub; tests/cli/test_push.py uploads and downloads."""

import sys
from pathlib import Path

import pytest

from alae_core import CheckpointError, load_checkpoint
from alae_core.run_source import Address, name_source, parse_address


@pytest.mark.parametrize(
    ("path", "address"),
    [
        ("hf://me/faces", Address("me/faces", None)),
        ("hf:/me/faces/", Address("me/faces", None)),
        ("hf://me/faces.v2@main", Address("me/faces.v2", "main")),
        ("hf://me/faces@refs/pr/1", Address("me/faces", "refs/pr/1")),
        ("runs/faces", None),
        ("hf/me/faces", None),
        (".", None),
    ],
)
def test_an_address_is_parsed(path, address):
    assert parse_address(Path(path)) == address
    if address:
        assert str(address).startswith("hf://me/faces")


@pytest.mark.parametrize("path", ["hf://faces", "hf://me/faces/checkpoints", "hf://me/fa ces", "hf://me/faces@"])
def test_what_begins_like_an_address_but_is_none_is_refused(path):
    with pytest.raises(CheckpointError, match=r"hf://.* is not an address of the form hf://OWNER/NAME\[@REVISION\]"):
        parse_address(Path(path))


def test_a_file_of_a_download_has_the_name_of_its_model():
    snapshot = Path("cache/hub/models--me--my--faces/snapshots/0123")
    assert name_source(snapshot / "checkpoints/step-00000001") == "hf://me/my--faces"
    assert name_source(Path("runs/faces")) is None


def test_the_library_of_the_hub_is_named_if_it_is_absent(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(
        CheckpointError, match=r"^hf://me/faces needs the library of the Hub: pip install 'alae\[hub\]'$"
    ):
        load_checkpoint("hf://me/faces")
