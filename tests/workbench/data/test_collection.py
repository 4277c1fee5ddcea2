"""Collections of picture files, decoded at once or on request."""

import tracemalloc

import numpy as np
import pytest
from PIL import Image

from alae_workbench.data.collection import Collection, DecodedOnRequest, decode
from alae_workbench.data.resolve import open_source
from alae_workbench.data.source import DataError, read_all


def test_a_large_folder_is_decoded_on_request(tmp_path, monkeypatch):
    draw = np.random.default_rng(0)
    for number in range(5):
        (tmp_path / "ab"[number % 2]).mkdir(exist_ok=True)
        Image.fromarray(draw.integers(0, 256, (9, 8, 3), np.uint8)).save(tmp_path / "ab"[number % 2] / f"{number}.png")
    (tmp_path / "a" / "torn.png").write_bytes(b"torn")
    kept, faults = decode(open_source(str(tmp_path)), (8, 8, 3))
    monkeypatch.setattr("alae_workbench.data.collection._KEPT_BYTES", 100)
    found, faults_too = decode(open_source(str(tmp_path)), (8, 8, 3))
    assert isinstance(found, DecodedOnRequest)
    assert faults == faults_too
    assert len(faults) == 1
    assert repr(found) == repr(kept)
    assert np.array_equal(found.labels, kept.labels)
    for size in (None, 4):
        assert np.array_equal(read_all(found, size), read_all(kept, size))
    assert found.images(np.array([], int)).shape == (0, 8, 8, 3)
    # The fingerprint changes with an image and with a label.
    prints = {found.fingerprint}
    Image.fromarray(draw.integers(0, 256, (9, 8, 3), np.uint8)).save(tmp_path / "b" / "1.png")
    prints.add(decode(open_source(str(tmp_path)), (8, 8, 3))[0].fingerprint)
    # One image is in another class; the images and their order are the same.
    (tmp_path / "b" / "1.png").rename(tmp_path / "a" / "5.png")
    prints.add(decode(open_source(str(tmp_path)), (8, 8, 3))[0].fingerprint)
    assert len(prints) == 3
    (tmp_path / "a" / "0.png").write_bytes(b"torn since")
    with pytest.raises(DataError, match=r"0\.png"):
        read_all(found)


def test_decoding_takes_little_more_memory_than_the_images(tmp_path):
    Image.new("RGB", (64, 64)).save(tmp_path / "0.png")
    pictures = Collection([tmp_path / "0.png"] * 600, [], None, (), [])
    tracemalloc.start()
    try:
        images, _ = decode(pictures, (64, 64, 3))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1.5 * images.pixels.nbytes
