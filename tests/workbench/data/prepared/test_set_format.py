"""Manifests of prepared sets, and the maximum disk space."""

import json

import pytest

from alae_core._support.manifest import seal_manifest
from alae_workbench import DataError
from alae_workbench.data.prepared import set_format
from alae_workbench.data.prepared.reading import open_set
from tests.helpers.prepared_sets import prepare


def test_the_estimate_of_disk_space_is_close():
    """Compare the estimate for 10,000 images with the bytes of their pixels, without writing them."""
    for side, least in ((4, 1), (128, 1.5)):
        pixels = 10_000 * side * side * 3
        levels = set_format.choose_heights((side, side, 3))
        assert (
            least * pixels
            <= set_format.most_bytes(10_000, (side, side, 3), levels)
            <= 3 * pixels + 10_000 * 64 + 64 * 2**18
        )


def change_manifest(path, change):
    """Change a set's manifest, and update its checksum."""
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
def test_invalid_manifests_are_refused(photos, tmp_path, change, reason):
    prepare(photos, tmp_path / "set")
    change_manifest(tmp_path / "set", change)
    with pytest.raises(DataError, match=reason):
        open_set(tmp_path / "set")
