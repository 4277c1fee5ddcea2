"""Manifests of checkpoints with a valid SHA-256 and random damage."""

from types import SimpleNamespace

import pytest

import alae_core as alae
from alae_core.checkpoint_writing import write_checkpoint
from alae_workbench.runs.plan import require_same_data
from alae_workbench.runs.settings import read_training, resume_experiment
from tests.conftest import tiny_config
from tests.fuzz import attempt, cases
from tests.fuzz.hostile import FILE_NAMES, TEXTS, VALUES, mutate, nested_value, pick
from tests.helpers.checkpoints import FORMAT_1_CONFIG, rewrite_manifest, write_format_1

KEYS = [
    *("format", "step", "metric", "backend", "versions", "config", "run", "files", "seed", "more"),
    *("versions.alae", "config.image", "config.networks", "config.networks.F", "config.updates", "config.growth"),
    *("config.specification", "config.seed", "config.algorithm", "config.training", "config.networks.family"),
    *("run.training", "run.training.steps", "run.training.data", "run.data", "files.state.safetensors"),
]


def change(random, manifest):
    """Return the manifest after a value is removed or replaced by one of any type, or a strange file name is added."""
    *groups, last = pick(random, KEYS).split(".", 3)
    inside = manifest
    for group in groups:
        if not isinstance(inside := inside.get(group), dict):
            return manifest
    match random.integers(8):
        case 0:
            inside.pop(last, None)
        case 1:
            inside[last] = nested_value(random)
        case 2:
            files = manifest.get("files") if random.random() < 0.5 else {}
            manifest["files"] = {pick(random, FILE_NAMES): "0" * 64} | (files if isinstance(files, dict) else {})
        case 3:
            inside[last] = pick(random, TEXTS)
        case _:
            inside[last] = pick(random, VALUES)
    return manifest


def use(path):
    """Load a checkpoint and use everything that its manifest determines; returns it."""
    checkpoint = alae.load_checkpoint(path)
    assert checkpoint.view is None
    assert "\n" not in repr(checkpoint)
    resume_experiment(checkpoint)
    read_training(checkpoint)
    require_same_data(checkpoint, SimpleNamespace(fingerprint="0" * 64, train=(), held_out=()))
    return checkpoint


@pytest.fixture(scope="module")
def manifests(backend, tmp_path_factory):
    """The valid manifest of a checkpoint of each format, by path."""
    directory, config = tmp_path_factory.mktemp("written"), tiny_config()
    state = backend.runner(alae.build(config)).state()
    run = {"training": {"data": "digits", "steps": 20}, "data": "0" * 64}
    write_checkpoint(directory / "second", state, config, author=backend, measure=0.25, run=run)
    write_format_1(directory / "first" / "step-00000000", state, FORMAT_1_CONFIG)
    return {path: path.read_text() for path in sorted(directory.rglob("manifest.json"))}


def test_manifests(manifests):
    for path in manifests:
        use(path.parent)
    for case, random in cases():
        path, text = pick(random, list(manifests.items()))
        path.write_text(text)
        if random.random() < 0.15:
            path.write_text(mutate(random, text).encode(errors="replace").decode())
        else:
            for _ in range(random.integers(1, 3)):
                rewrite_manifest(path, lambda manifest, random=random: change(random, manifest))
        attempt(
            lambda path=path: use(path.parent), path.stat().st_size, about=f"case {case}: {path.parent.parent.name}"
        )
