"""Writing prepared sets: records, interruptions, and refusals."""

import shutil
import subprocess
import sys

import numpy as np
import pytest
from array_record.python.array_record_module import ArrayRecordReader
from PIL import Image

from alae_core import AlaeError
from alae_core.images import pooled, to_float
from alae_workbench import DataError
from alae_workbench.data.collection import decode
from alae_workbench.data.load import load_data
from alae_workbench.data.prepared import set_format, writing
from alae_workbench.data.prepared.preparation import plan_preparation
from alae_workbench.data.prepared.reading import open_set
from alae_workbench.data.prepared.writing import write_set
from alae_workbench.data.resolve import open_source
from alae_workbench.data.source import read_all
from tests.conftest import content, tiny_config
from tests.helpers.prepared_sets import SHAPE, interrupt, prepare


@pytest.mark.usefixtures("small_shards")
def test_records_hold_sums_of_blocks(photos, tmp_path):
    """Read the files without alae, as documented in the format's description."""
    prepare(photos, tmp_path / "set")
    pixels = []
    for file in sorted(photos.rglob("*.png")):
        with Image.open(file) as image:
            left, top = (image.width - 16) / 2, (image.height - 16) / 2
            box = (left, top, left + 16, top + 16)
            pixels.append(np.asarray(image.resize((16, 16), Image.Resampling.LANCZOS, box), np.int64))
    pixels = np.stack(pixels)
    for height, numbers in ((16, "u1"), (8, "<u2"), (4, "<u2")):
        records = []
        for file in sorted((tmp_path / "set" / "images" / f"{height}x{height}").iterdir()):
            reader = ArrayRecordReader(str(file))
            records += reader.read_all()
            reader.close()
        found = np.frombuffer(b"".join(records), numbers).reshape(10, height, height, 3)
        block = 16 // height
        assert np.array_equal(found, pixels.reshape(10, height, block, height, block, 3).sum(axis=(2, 4)))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("shape", [(8, 8), (7, 9), (64, 64)])
def test_arrays_with_a_test_split_are_prepared(tmp_path, shape, channels):
    draw = np.random.default_rng(0)
    arrays = {
        f"{kind}_{part}": draw.integers(0, 256, (count, *shape, channels)[: 4 if kind == "x" else 1], np.uint8)
        for kind in "xy"
        for part, count in (("train", 9), ("test", 4))
    }
    np.savez(tmp_path / "a.npz", **arrays)
    plan = plan_preparation(str(tmp_path / "a.npz"), tmp_path / "set")
    write_set(plan)
    parts = open_set(tmp_path / "set")
    for name, part in (("images", "train"), ("test", "test")):
        assert np.array_equal(read_all(getattr(parts, name)), arrays[f"x_{part}"])
        assert np.array_equal(getattr(parts, name).labels, arrays[f"y_{part}"])
        for size in set_format.choose_heights((*shape, channels))[1:]:
            assert np.array_equal(read_all(getattr(parts, name), size), to_float(pooled(arrays[f"x_{part}"], size)))
    config = tiny_config(image=[*shape, channels])
    found = load_data(str(tmp_path / "set"), config, held_out=1)
    assert (len(found.train), len(found.held_out)) == (9, 4)
    assert sum(len(each) for each in content(tmp_path / "set").values()) <= plan.most_bytes


@pytest.mark.usefixtures("small_shards")
def test_an_interrupted_preparation_continues_with_the_missing_shards(photos, tmp_path):
    prepare(photos, tmp_path / "whole")
    interrupt(plan_preparation(str(photos), tmp_path / "set"), 6)
    (tmp_path / "set" / "images" / "16x16" / ".writing-1-00002.array_record").write_bytes(b"killed while it wrote")
    done = {path: path.stat().st_mtime_ns for path in (tmp_path / "set").rglob("0000[0]*.array_record")}
    assert len(done) == 3
    with pytest.raises(DataError, match="is not completely prepared: run the `alae data prepare`"):
        load_data(str(tmp_path / "set"), tiny_config(), held_out=1)
    with pytest.raises(AlaeError, match="images of 16×16×3, not 8×8×3"):
        write_set(plan_preparation(str(photos), tmp_path / "set", size=8))
    prepare(photos, tmp_path / "set")
    assert {path: path.stat().st_mtime_ns for path in done} == done
    assert content(tmp_path / "set") == content(tmp_path / "whole")


@pytest.mark.usefixtures("small_shards")
@pytest.mark.parametrize("spoil", ["lost", "torn"])
def test_missing_and_truncated_shards_are_written_again(photos, tmp_path, spoil):
    prepare(photos, tmp_path / "whole")
    interrupt(plan_preparation(str(photos), tmp_path / "set"), 6)
    (shard,) = (tmp_path / "set").glob("images/8x8/00000-*")
    shard.unlink() if spoil == "lost" else shard.write_bytes(shard.read_bytes()[:-1])
    prepare(photos, tmp_path / "set")
    assert content(tmp_path / "set") == content(tmp_path / "whole")


@pytest.mark.usefixtures("small_shards")
def test_pictures_left_out_earlier_are_refused_without_skip_bad(photos, tmp_path):
    torn = sorted(photos.rglob("*.png"))[1]
    torn.write_bytes(torn.read_bytes()[:60])
    interrupt(plan_preparation(str(photos), tmp_path / "set"), 6, skip_bad=True)
    with pytest.raises(DataError, match=rf"{torn.name}.*--skip-bad"):
        prepare(photos, tmp_path / "set")
    assert prepare(photos, tmp_path / "set", skip_bad=True).part.left_out == 1


@pytest.mark.usefixtures("small_shards")
def test_unreadable_pictures_are_refused_or_left_out_and_listed(photos, tmp_path):
    torn = sorted(photos.rglob("*.png"))[4]
    torn.write_bytes(torn.read_bytes()[:60])
    with pytest.raises(DataError, match=rf"{torn.name}.*--skip-bad"):
        prepare(photos, tmp_path / "set")
    found = prepare(photos, tmp_path / "set", skip_bad=True)
    there, faults = decode(open_source(str(photos)), SHAPE)
    assert len(faults) == found.part.left_out == 1
    assert (tmp_path / "set" / "left-out.txt").read_text().splitlines() == faults
    assert (len(found), found.names, found.labels.tolist()) == (9, there.names, there.labels.tolist())
    assert np.array_equal(read_all(found), read_all(there))
    assert load_data(str(tmp_path / "set"), tiny_config(image=[16, 16, 3]), held_out=1).skipped == 1


@pytest.mark.usefixtures("small_shards")
def test_a_source_without_readable_pictures_is_refused(photos, tmp_path):
    plan = plan_preparation(str(photos), tmp_path / "set")
    for file in photos.rglob("*.png"):
        file.write_bytes(b"torn")
    with pytest.raises(DataError, match="none of the 10 images"):
        write_set(plan, skip_bad=True)


def test_arrays_are_not_read_again_because_they_may_not_fit_in_memory_twice(tmp_path, monkeypatch):
    np.save(tmp_path / "a.npy", np.arange(192, dtype=np.uint8).reshape(3, 8, 8))
    monkeypatch.setattr("alae_workbench.data.prepared.writing.read_state", lambda *_: pytest.fail("read again"))
    prepare(tmp_path / "a.npy", tmp_path / "set")
    assert (tmp_path / "set" / "manifest.json").exists()


@pytest.mark.usefixtures("small_shards")
@pytest.mark.parametrize("change", ["another image", "one more", "one less"])
def test_a_source_that_changes_during_preparation_is_refused(photos, tmp_path, change):
    first = min(photos.rglob("*.png"))

    def progress(count):
        if change == "one more":
            shutil.copy(first, first.with_name("new.png"))
        elif change == "one less":
            first.unlink(missing_ok=True)
        else:
            Image.new("RGB", (16, 16)).save(first)

    with pytest.raises(DataError, match="changed during preparation"):
        prepare(photos, tmp_path / "set", progress=progress)
    assert not (tmp_path / "set" / "manifest.json").exists()


def test_a_second_process_is_refused(photos, tmp_path):
    def progress(count):
        with pytest.raises(AlaeError, match="being prepared by another process"):
            write_set(plan_preparation(str(photos), tmp_path / "set"))

    prepare(photos, tmp_path / "set", progress=progress)


def test_a_full_disk_is_refused_before_writing(photos, tmp_path, monkeypatch):
    plan = plan_preparation(str(photos), tmp_path / "set")
    monkeypatch.setattr(writing, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 9, 1))
    with pytest.raises(AlaeError, match=r"will take up to .* MB, but its disk has 0\.0 MB free"):
        write_set(plan)
    assert not (tmp_path / "set" / "preparing").exists()


FULL = """
import resource, signal, sys
from pathlib import Path
from alae_core import AlaeError
from alae_workbench.data.prepared.preparation import plan_preparation
from alae_workbench.data.prepared.writing import write_set

plan = plan_preparation(sys.argv[1], Path(sys.argv[2]))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
try:
    write_set(plan)
except AlaeError as error:
    print(error)
"""


def test_a_disk_that_fills_up_is_reported_and_the_preparation_can_continue(photos, tmp_path):
    script = [sys.executable, "-c", FULL, str(photos), str(tmp_path / "set")]
    said = subprocess.run(script, capture_output=True, text=True, check=True).stdout
    assert "cannot be written: write() failed: File too large" in said
    prepare(photos, tmp_path / "set")
    prepare(photos, tmp_path / "whole")
    assert content(tmp_path / "set") == content(tmp_path / "whole")
