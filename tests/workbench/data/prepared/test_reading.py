"""Prepared sets as sources: their images, batches and fingerprints, and damaged files."""

import numpy as np
import pytest
from PIL import Image

from alae_workbench import DataError
from alae_workbench.data.batches import batches
from alae_workbench.data.collection import decode
from alae_workbench.data.derived import add_margin
from alae_workbench.data.inspection import inspect
from alae_workbench.data.prepared.preparation import plan_preparation
from alae_workbench.data.prepared.reading import open_set
from alae_workbench.data.prepared.writing import write_set
from alae_workbench.data.resolve import open_source
from tests.conftest import tiny_style_config
from tests.helpers.prepared_sets import SHAPE, prepare


@pytest.mark.usefixtures("small_shards")
def test_a_set_holds_the_images_of_its_source(photos, tmp_path):
    found = prepare(photos, tmp_path / "set")
    there, _ = decode(open_source(str(photos)), SHAPE)
    assert repr(found) == repr(there)
    assert (found.shape, found.names) == (SHAPE, there.names)
    assert found.labels.tolist() == there.labels.tolist()
    assert found.manifest.label_names == ("cats", "dogs")
    assert len(found.part.shards) == 4
    for chosen in (np.arange(10), np.array([7, 2, 2, 9]), np.array([], int)):
        for size in (None, 16, 8, 4, 2):
            assert np.array_equal(found.images(chosen, size), there.images(chosen, size)), size
    for wrong in (5, 32):
        with pytest.raises(DataError, match=f"is {wrong}, but images of 16×16"):
            found.images(np.arange(2), wrong)


@pytest.mark.usefixtures("small_shards")
@pytest.mark.parametrize("margin", [0, 2])
def test_batches_from_memory_and_from_a_set_are_equal(photos, tmp_path, margin):
    side = 8 - 2 * margin
    there, _ = decode(open_source(str(photos)), (side, side, 3))
    write_set(plan_preparation(str(photos), tmp_path / "set", size=side))
    found = open_set(tmp_path / "set").images
    config = tiny_style_config(image=[8, 8, 3], seed=7)
    from_memory, from_set = (
        list(batches(add_margin(source, margin), config, steps=7, mirror=True, put=lambda images, labels: images))
        for source in (there, found)
    )
    assert [images.shape[1] for images in from_set] == [4] * 3 + [8] * 4
    for a, b in zip(from_memory, from_set, strict=True):
        assert a.dtype == b.dtype
        assert np.array_equal(a, b)


def test_records_that_differ_from_the_manifest_are_refused(photos, tmp_path):
    found = prepare(photos, tmp_path / "set")
    (file,) = (tmp_path / "set" / "images" / "16x16").iterdir()
    whole = file.read_bytes()
    print_before = found.fingerprint
    for spoil, reason in (
        (whole[:-1], "is truncated or changed"),
        (whole[:500] + bytes([whole[500] ^ 1]) + whole[501:], "cannot be read"),
        (b"\0" * len(whole), "cannot be read"),
    ):
        file.write_bytes(spoil)
        with pytest.raises(DataError, match=reason):
            open_set(tmp_path / "set").images.images(np.arange(10))
        with pytest.raises(
            DataError, match="is truncated or changed" if len(spoil) < len(whole) else "1 of 5 files are damaged"
        ):
            inspect("set", open_set(tmp_path / "set"))
    # Records of another size in a file of the same length.
    (other,) = (tmp_path / "set" / "images" / "8x8").iterdir()
    if len(other.read_bytes()) == len(whole):
        file.write_bytes(other.read_bytes())
        with pytest.raises(DataError, match="a record has 384 bytes, not 768"):
            open_set(tmp_path / "set").images.images(np.arange(10))
    file.unlink()
    with pytest.raises(DataError, match="No such file"):
        open_set(tmp_path / "set")
    file.write_bytes(whole)
    assert open_set(tmp_path / "set").images.fingerprint == print_before


def test_labels_and_names_of_other_lengths_are_refused(photos, tmp_path):
    prepare(photos, tmp_path / "set")
    np.save(tmp_path / "set" / "images" / "labels.npy", np.arange(9))
    (tmp_path / "set" / "images" / "names.txt").write_bytes(b"\xff\n" * 10)
    found = open_set(tmp_path / "set").images
    with pytest.raises(DataError, match="must have 10 labels"):
        _ = found.labels
    with pytest.raises(DataError, match=r"names\.txt cannot be read"):
        _ = found.names


def test_the_fingerprint_changes_with_images_and_labels(photos, tmp_path):
    prints = {prepare(photos, tmp_path / "a").fingerprint, prepare(photos, tmp_path / "b").fingerprint}
    assert len(prints) == 1
    (photos / "cats" / "0.png").rename(photos / "dogs" / "0.png")
    prints.add(prepare(photos, tmp_path / "c").fingerprint)
    Image.new("RGB", (16, 16)).save(photos / "dogs" / "1.png")
    prints.add(prepare(photos, tmp_path / "d").fingerprint)
    assert len(prints) == 3
