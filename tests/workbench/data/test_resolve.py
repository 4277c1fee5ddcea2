"""Resolving a data source by name or path."""

import os

import pytest

from alae_workbench.data.source import DataError
from tests.helpers.data import (
    load_for_training,
)


def test_a_missing_path_lists_the_alternatives(tmp_path):
    for name in (tmp_path / "nowhere", ""):
        with pytest.raises(DataError, match=f"there is no data '{name}': give one of digits, mnist, fashion_mnist"):
            load_for_training(name)
    (tmp_path / "data.csv").touch()
    with pytest.raises(DataError, match=r"data.csv has no known format: arrays of images end in .npz or .npy"):
        load_for_training(tmp_path / "data.csv")
    with pytest.raises(DataError, match="there are no images in"):
        load_for_training(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_pipes_are_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "a.npz")
    with pytest.raises(DataError, match="it is not a regular file"):
        load_for_training(tmp_path / "a.npz")
    (tmp_path / "photos").mkdir()
    os.mkfifo(tmp_path / "photos" / "a.png")
    with pytest.raises(DataError, match=r"1 of 1 images .*it is not a regular file"):
        load_for_training(tmp_path / "photos")
