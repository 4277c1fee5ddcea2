"""Prepared sets with hostile manifests and files: opened, read at every level, and inspected."""

import json

import numpy as np
import pytest
from PIL import Image

from alae_core._support.manifest import seal_manifest
from alae_workbench.data.inspection import inspect
from alae_workbench.data.prepared.preparation import plan_preparation
from alae_workbench.data.prepared.reading import open_set
from alae_workbench.data.prepared.writing import write_set
from alae_workbench.figures.contact_sheet import draw_contact_sheet
from tests.fuzz import attempt, cases
from tests.fuzz.hostile import VALUES, mutate, pick

PLACES = [
    *("format", "alae", "source", "image", "levels", "fit", "label_names", "images", "test", "sha256", "more"),
    *("images.count", "images.left_out", "images.shards", "images.labels", "images.names", "images.labels.size"),
    *("images.shards.0", "images.shards.0.count", "images.shards.0.files", "images.shards.1.files.0"),
    *("images.shards.1.files.0.size", "images.shards.0.files.2.sha256", "image.0", "image.2", "levels.1"),
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A set of two shards, labels and names, and every file's bytes."""
    directory = tmp_path_factory.mktemp("prepared")
    random = np.random.default_rng(0)
    for number in range(6):
        path = directory / "files" / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (16, 16, 3), np.uint8)).save(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("alae_workbench.data.prepared.set_format._SHARD_BYTES", 3 * 16 * 16 * 3)
        write_set(plan_preparation(str(directory / "files"), directory / "set"))
    files = [file for file in sorted((directory / "set").rglob("*")) if file.is_file() and file.stat().st_size]
    return directory / "set", {file: file.read_bytes() for file in files}


def change_manifest(random, manifest):
    """Return the manifest with a value removed, or replaced by one of any type."""
    *groups, last = pick(random, PLACES).split(".")
    inside = manifest
    for group in groups:
        inside = inside[int(group)] if group.isdigit() else inside[group]
    if isinstance(inside, list):
        inside[int(last)] = pick(random, VALUES)
    elif random.random() < 0.2:
        inside.pop(last, None)
    else:
        inside[last] = pick(random, VALUES)
    return json.loads(json.dumps(manifest, default=str))


def use_all_parts(path):
    """Open a prepared set and read every part of it; returns its parts."""
    contents = open_set(path)
    for found in filter(None, (contents.images, contents.test)):
        for size in (None, *found.manifest.levels):
            found.images(np.arange(len(found)), size)
        assert found.labels is None or len(found.labels) == len(found)
        assert found.names is None or len(found.names) == len(found)
        assert (len(found.fingerprint), "\n" in repr(found)) == (64, False)
    inspect(str(path), contents)
    draw_contact_sheet(str(path), contents)
    return contents


def test_sets(whole):
    path, files = whole
    use_all_parts(path)
    manifest = json.loads(files[path / "manifest.json"])
    del manifest["sha256"]
    for case, random in cases():
        file = pick(random, list(files)) if random.random() < 0.5 else path / "manifest.json"
        if file.name == "manifest.json" and random.random() < 0.85:
            spoiled = seal_manifest(change_manifest(random, json.loads(json.dumps(manifest))))
        elif random.random() < 0.5:
            spoiled = mutate(random, files[file].decode("latin-1")).encode("latin-1", "replace")
        else:
            # Keep the length in the manifest, and change bytes that are not zero: a shard is mostly empty blocks.
            numbers = np.frombuffer(files[file], np.uint8).copy()
            there = np.flatnonzero(numbers)
            numbers[random.choice(there, random.integers(1, 9))] ^= np.uint8(random.integers(1, 256))
            spoiled = numbers.tobytes()
        file.write_bytes(spoiled)
        attempt(lambda: use_all_parts(path), len(spoiled), about=f"case {case}: {file.relative_to(path)}")
        file.write_bytes(files[file])
