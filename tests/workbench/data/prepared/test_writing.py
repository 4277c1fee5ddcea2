"""Prepared sets hold the images that they were made of, whoever wrote them and however often that was killed."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from array_record.python.array_record_module import ArrayRecordReader
from PIL import Image

from alae_core import AlaeError
from alae_core._support.manifest import seal_manifest
from alae_core.images import pooled, to_float
from alae_workbench import DataError
from alae_workbench.data.batches import batches
from alae_workbench.data.collection import decode
from alae_workbench.data.derived import add_margin
from alae_workbench.data.inspection import inspect
from alae_workbench.data.load import load_data
from alae_workbench.data.prepared import set_format, writing
from alae_workbench.data.prepared.preparation import plan_preparation
from alae_workbench.data.prepared.reading import open_set
from alae_workbench.data.prepared.writing import write_set
from alae_workbench.data.resolve import open_source
from alae_workbench.data.source import read_all
from tests.conftest import content, tiny_config, tiny_style_config

SHAPE = (16, 16, 3)


@pytest.fixture
def photos(tmp_path):
    """Ten noisy images in two classes, of which each is 16×16 or larger."""
    draw = np.random.default_rng(0)
    for number in range(10):
        path = tmp_path / "photos" / ("cats", "dogs")[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw.integers(0, 256, (16 + number % 3, 16, 3), np.uint8)).save(path)
    return tmp_path / "photos"


@pytest.fixture
def small_shards(monkeypatch):
    """Three images a shard, so that ten make four."""
    monkeypatch.setattr(set_format, "_SHARD_BYTES", 3 * 16 * 16 * 3)


def prepared(source, out, **choices):
    write_set(plan_preparation(str(source), out), **choices)
    return open_set(out).images


def stopped(planned, after, **choices):
    """Begin a preparation, and stop it once so many pictures are done."""
    seen = []

    def told(count):
        seen.append(count)
        if sum(seen) >= after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_set(planned, progress=told, **choices)


@pytest.mark.usefixtures("small_shards")
def test_a_set_reads_as_the_images_that_it_was_made_of(photos, tmp_path):
    found = prepared(photos, tmp_path / "set")
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
def test_another_reader_finds_the_sums_of_blocks(photos, tmp_path):
    """Only names of files and bytes of records: whoever writes another loader needs to know no more."""
    prepared(photos, tmp_path / "set")
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


@pytest.mark.usefixtures("small_shards")
@pytest.mark.parametrize("margin", [0, 2])
def test_training_sees_the_same_batches_from_memory_and_from_a_set(photos, tmp_path, margin):
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


@pytest.mark.usefixtures("small_shards")
def test_processes_write_what_one_writes_and_a_set_without_labels_says_so(photos, tmp_path):
    for file in list(photos.rglob("*.png")):
        file.rename(photos / file.name)
    prepared(photos, tmp_path / "one")
    found = prepared(photos, tmp_path / "two", workers=2)
    assert content(tmp_path / "one") == content(tmp_path / "two")
    assert found.labels is None
    assert found.names[:2] == ["0.png", "1.png"]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("shape", [(8, 8), (7, 9), (64, 64)])
def test_arrays_become_a_set_with_their_own_test_images(tmp_path, shape, channels):
    draw = np.random.default_rng(0)
    arrays = {
        f"{kind}_{part}": draw.integers(0, 256, (count, *shape, channels)[: 4 if kind == "x" else 1], np.uint8)
        for kind in "xy"
        for part, count in (("train", 9), ("test", 4))
    }
    np.savez(tmp_path / "a.npz", **arrays)
    planned = plan_preparation(str(tmp_path / "a.npz"), tmp_path / "set")
    write_set(planned)
    parts = open_set(tmp_path / "set")
    for name, part in (("images", "train"), ("test", "test")):
        assert np.array_equal(read_all(getattr(parts, name)), arrays[f"x_{part}"])
        assert np.array_equal(getattr(parts, name).labels, arrays[f"y_{part}"])
        for size in set_format.choose_heights((*shape, channels))[1:]:
            assert np.array_equal(read_all(getattr(parts, name), size), to_float(pooled(arrays[f"x_{part}"], size)))
    config = tiny_config(image=[*shape, channels])
    found = load_data(str(tmp_path / "set"), config, held_out=1)
    assert (len(found.train), len(found.held_out)) == (9, 4)
    assert sum(len(each) for each in content(tmp_path / "set").values()) <= planned.most_bytes


def test_of_a_large_shape_no_more_disk_is_taken_than_was_said():
    """Ten thousand of each size, by the formula: nothing of it is written."""
    for side, least in ((4, 1), (128, 1.5)):
        pixels = 10_000 * side * side * 3
        levels = set_format.choose_heights((side, side, 3))
        assert (
            least * pixels
            <= set_format.most_bytes(10_000, (side, side, 3), levels)
            <= 3 * pixels + 10_000 * 64 + 64 * 2**18
        )


@pytest.mark.usefixtures("small_shards")
def test_what_was_stopped_goes_on_with_the_shards_that_are_missing(photos, tmp_path):
    prepared(photos, tmp_path / "whole")
    stopped(plan_preparation(str(photos), tmp_path / "set"), 6)
    (tmp_path / "set" / "images" / "16x16" / ".writing-1-00002.array_record").write_bytes(b"killed while it wrote")
    done = {path: path.stat().st_mtime_ns for path in (tmp_path / "set").rglob("0000[0]*.array_record")}
    assert len(done) == 3
    with pytest.raises(DataError, match="is not completely prepared: run the `alae data prepare`"):
        load_data(str(tmp_path / "set"), tiny_config(), held_out=1)
    with pytest.raises(AlaeError, match="images of 16×16×3, not 8×8×3"):
        write_set(plan_preparation(str(photos), tmp_path / "set", size=8))
    prepared(photos, tmp_path / "set")
    assert {path: path.stat().st_mtime_ns for path in done} == done
    assert content(tmp_path / "set") == content(tmp_path / "whole")


@pytest.mark.usefixtures("small_shards")
@pytest.mark.parametrize("spoil", ["lost", "torn"])
def test_a_shard_that_is_no_longer_there_whole_is_written_again(photos, tmp_path, spoil):
    prepared(photos, tmp_path / "whole")
    stopped(plan_preparation(str(photos), tmp_path / "set"), 6)
    (shard,) = (tmp_path / "set").glob("images/8x8/00000-*")
    shard.unlink() if spoil == "lost" else shard.write_bytes(shard.read_bytes()[:-1])
    prepared(photos, tmp_path / "set")
    assert content(tmp_path / "set") == content(tmp_path / "whole")


@pytest.mark.usefixtures("small_shards")
def test_what_was_left_out_is_refused_by_a_call_that_leaves_nothing_out(photos, tmp_path):
    torn = sorted(photos.rglob("*.png"))[1]
    torn.write_bytes(torn.read_bytes()[:60])
    stopped(plan_preparation(str(photos), tmp_path / "set"), 6, skip_bad=True)
    with pytest.raises(DataError, match=rf"{torn.name}.*--skip-bad"):
        prepared(photos, tmp_path / "set")
    assert prepared(photos, tmp_path / "set", skip_bad=True).part.left_out == 1


KILLED = """
import sys
from pathlib import Path
from alae_workbench.data.prepared import set_format
from alae_workbench.data.prepared.preparation import plan_preparation
from alae_workbench.data.prepared.writing import write_set

if __name__ == "__main__":
    set_format._SHARD_BYTES = 3 * 16 * 16 * 3
    write_set(plan_preparation(sys.argv[1], Path(sys.argv[2])), workers=2)
"""


def test_a_kill_ends_all_processes_and_loses_nothing(photos, tmp_path, small_shards):
    prepared(photos, tmp_path / "whole")
    script = tmp_path / "script.py"
    script.write_text(KILLED)
    parent = subprocess.Popen([sys.executable, str(script), str(photos), str(tmp_path / "set")], start_new_session=True)
    until = time.monotonic() + 30
    while not list((tmp_path / "set").glob("preparing/images-*.json")) and time.monotonic() < until:
        time.sleep(0.002)
    parent.kill()
    parent.wait()
    while time.monotonic() < until:
        try:
            os.killpg(parent.pid, 0)
        except ProcessLookupError:
            break
        time.sleep(0.01)
    else:
        os.killpg(parent.pid, signal.SIGKILL)
        pytest.fail("processes outlive the one that they write for")
    if not (tmp_path / "set" / "manifest.json").exists():
        prepared(photos, tmp_path / "set")
    assert content(tmp_path / "set") == content(tmp_path / "whole")


@pytest.mark.usefixtures("small_shards")
def test_what_cannot_be_read_is_refused_or_left_out_and_listed(photos, tmp_path):
    torn = sorted(photos.rglob("*.png"))[4]
    torn.write_bytes(torn.read_bytes()[:60])
    with pytest.raises(DataError, match=rf"{torn.name}.*--skip-bad"):
        prepared(photos, tmp_path / "set")
    found = prepared(photos, tmp_path / "set", skip_bad=True)
    there, bad = decode(open_source(str(photos)), SHAPE)
    assert len(bad) == found.part.left_out == 1
    assert (tmp_path / "set" / "left-out.txt").read_text().splitlines() == bad
    assert (len(found), found.names, found.labels.tolist()) == (9, there.names, there.labels.tolist())
    assert np.array_equal(read_all(found), read_all(there))
    assert load_data(str(tmp_path / "set"), tiny_config(image=[16, 16, 3]), held_out=1).skipped == 1


@pytest.mark.usefixtures("small_shards")
def test_none_that_can_be_read_makes_no_set(photos, tmp_path):
    planned = plan_preparation(str(photos), tmp_path / "set")
    for file in photos.rglob("*.png"):
        file.write_bytes(b"torn")
    with pytest.raises(DataError, match="none of the 10 images"):
        write_set(planned, skip_bad=True)


@pytest.mark.usefixtures("small_shards")
@pytest.mark.parametrize("change", ["another image", "one more", "one less"])
def test_a_source_that_changes_meanwhile_is_found(photos, tmp_path, change):
    first = min(photos.rglob("*.png"))

    def told(count):
        if change == "one more":
            shutil.copy(first, first.with_name("new.png"))
        elif change == "one less":
            first.unlink(missing_ok=True)
        else:
            Image.new("RGB", (16, 16)).save(first)

    with pytest.raises(DataError, match="changed during preparation"):
        prepared(photos, tmp_path / "set", progress=told)
    assert not (tmp_path / "set" / "manifest.json").exists()


def test_two_at_once_are_one_too_many(photos, tmp_path):
    def told(count):
        with pytest.raises(AlaeError, match="being prepared by another process"):
            write_set(plan_preparation(str(photos), tmp_path / "set"))

    prepared(photos, tmp_path / "set", progress=told)


def test_nothing_is_overwritten(photos, tmp_path):
    prepared(photos, tmp_path / "set")
    (tmp_path / "else").mkdir()
    (tmp_path / "else" / "thesis.tex").write_text("mine")
    for out, reason in (("set", "prepared set already"), ("else", "not empty"), ("else/thesis.tex", "is a file")):
        with pytest.raises(AlaeError, match=reason):
            plan_preparation(str(photos), tmp_path / out)


def test_too_little_room_is_said_before_anything_is_written(photos, tmp_path, monkeypatch):
    planned = plan_preparation(str(photos), tmp_path / "set")
    monkeypatch.setattr(writing, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 9, 1))
    with pytest.raises(AlaeError, match=r"will take up to .* MB, but its disk has 0\.0 MB free"):
        write_set(planned)
    assert not (tmp_path / "set" / "preparing").exists()


FULL = """
import resource, signal, sys
from pathlib import Path
from alae_core import AlaeError
from alae_workbench.data.prepared.preparation import plan_preparation
from alae_workbench.data.prepared.writing import write_set

planned = plan_preparation(sys.argv[1], Path(sys.argv[2]))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
try:
    write_set(planned)
except AlaeError as error:
    print(error)
"""


def test_a_disk_that_fills_up_is_said_and_what_was_written_stays(photos, tmp_path):
    script = [sys.executable, "-c", FULL, str(photos), str(tmp_path / "set")]
    said = subprocess.run(script, capture_output=True, text=True, check=True).stdout
    assert "cannot be written: write() failed: File too large" in said
    prepared(photos, tmp_path / "set")
    prepared(photos, tmp_path / "whole")
    assert content(tmp_path / "set") == content(tmp_path / "whole")


def spoiled(path, change):
    """The manifest with something else in it, seal_manifest anew."""
    manifest = json.loads((path / "manifest.json").read_text())
    del manifest["sha256"]
    change(manifest)
    (path / "manifest.json").write_bytes(seal_manifest(manifest))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda m: m.update(format=2), "format 2, but this version of alae reads format 1"),
        (lambda m: m.update(image=[16, 16]), "image"),
        (lambda m: m.update(levels=[16, 8, 2]), "contradict each other"),
        (lambda m: m["images"].update(count=11), "contradict each other"),
        (lambda m: m["images"]["shards"][0].update(files=[]), "contradict each other"),
        (lambda m: m["images"]["shards"][0]["files"][0].update(size=10), "is truncated or changed"),
        (lambda m: m["images"]["shards"][0]["files"][0].update(sha256="no"), "sha256"),
        (lambda m: m.update(anything=1), "anything"),
    ],
)
def test_a_manifest_that_cannot_be_believed_is_refused(photos, tmp_path, change, reason):
    prepared(photos, tmp_path / "set")
    spoiled(tmp_path / "set", change)
    with pytest.raises(DataError, match=reason):
        open_set(tmp_path / "set")


def test_records_that_are_not_what_the_manifest_says_are_refused(photos, tmp_path):
    found = prepared(photos, tmp_path / "set")
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
    # Records of another size, in a file as long as the other's.
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


def test_labels_and_names_that_do_not_fit_are_refused(photos, tmp_path):
    prepared(photos, tmp_path / "set")
    np.save(tmp_path / "set" / "images" / "labels.npy", np.arange(9))
    (tmp_path / "set" / "images" / "names.txt").write_bytes(b"\xff\n" * 10)
    found = open_set(tmp_path / "set").images
    with pytest.raises(DataError, match="must have 10 labels"):
        _ = found.labels
    with pytest.raises(DataError, match=r"names\.txt cannot be read"):
        _ = found.names


def test_another_label_or_image_is_another_fingerprint(photos, tmp_path):
    prints = {prepared(photos, tmp_path / "a").fingerprint, prepared(photos, tmp_path / "b").fingerprint}
    assert len(prints) == 1
    (photos / "cats" / "0.png").rename(photos / "dogs" / "0.png")
    prints.add(prepared(photos, tmp_path / "c").fingerprint)
    Image.new("RGB", (16, 16)).save(photos / "dogs" / "1.png")
    prints.add(prepared(photos, tmp_path / "d").fingerprint)
    assert len(prints) == 3
