"""The plug-ins of docs/your-own.md train, and their runs open without them being given again."""

import pytest

import alae_core as alae
from alae_workbench import train
from tests.conftest import call_alae, slow
from tests.helpers.plugins import forget_plugins, write_plugins

#: the changes of the configuration that select each plug-in
CHANGES = {
    "least_squares": {"objective": "least_squares", "objective_settings.target": 2.0},
    "residual": {"networks": {"family": "residual", "z": 5, "w": 6, "width": 8}},
    "contrastive": {"algorithm": "contrastive", "reciprocity": "none"},
}


@pytest.mark.parametrize("names", ["least_squares residual contrastive", *slow(*CHANGES)])
def test_the_plugins_of_the_guide_train_and_their_runs_open(backend, tmp_path, monkeypatch, names):
    forget_plugins(monkeypatch, tmp_path / "cache")
    files = write_plugins(tmp_path)
    assert list(files) == list(CHANGES)
    changes = {"training.held_out": 60, "networks.F.hidden": [9], "networks.D.hidden": [8]}
    for name in names.split():
        alae.load_plugin(files[name])
        changes = {**CHANGES[name], **changes}
    train("digits-mlp", steps=3, backend=backend, overrides=changes, out=tmp_path / "run", observers=[])
    forget_plugins(monkeypatch)
    code, _, err = call_alae(tmp_path, "generate", "run", "--out", "samples.npy", "--backend", backend.name)
    assert code == 0, err
