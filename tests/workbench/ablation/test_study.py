"""Ablations: what is trained, skipped, gone on with and gathered."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

import alae_core as alae
from alae_workbench.ablation.study import Ablation, Result, ablate, ablation_names, cells, load_ablation, spread
from alae_workbench.runs.settings import load_experiment
from alae_workbench.storage.directory import Run
from tests.conftest import TINY

BACKEND = os.environ.get("KERAS_BACKEND", "jax")
SMALL = {key: value for key, value in TINY.items() if key.startswith("networks")} | {
    "training.held_out": 60,
    "training.steps": 4,
    "training.checkpoint_every": 2,
}


def matrix(**changes):
    given = {
        "base": "digits-mlp",
        "overrides": SMALL,
        "seeds": [0, 1],
        "variants": {"latent": {}, "autoencoder": {"algorithm": "autoencoder"}},
        "metrics": ["reconstruction_error", "reciprocity_error"],
    }
    return Ablation.model_validate({**given, **changes})


@pytest.mark.parametrize("name", ablation_names())
def test_ablations_that_ship_are_runs_that_differ(name):
    ablation = load_ablation(name)
    configs = {(c.variant, c.seed): ablation.experiment(c.variant, c.seed).config for c in cells(ablation, Path("x"))}
    assert len({config.model_copy(update={"description": ""}) for config in configs.values()}) == len(configs)


def test_the_shipped_one_has_every_reciprocity_and_every_baseline():
    found = load_ablation("reciprocity")
    algorithms = {found.experiment(name, 0).config.algorithm for name in found.variants}
    spaces = {found.experiment(name, 0).config.reciprocity for name in found.variants}
    assert algorithms == {"alae", "autoencoder", "vae", "bigan"}
    assert spaces == {"latent", "data", "both", "none", "z"}
    assert len(found.seeds) == 3
    assert found.experiment("latent", 2).steps >= 5000


def test_another_base_comes_without_overrides_that_belong_to_the_first(tmp_path):
    found = load_ablation("reciprocity", base="digits-style", overrides={"training.steps": 7}, seeds=[5])
    assert (found.base, found.overrides, found.seeds) == ("digits-style", {"training.steps": 7}, (5,))
    assert found.experiment("bigan", 5).config.networks.family == "style"
    kept = load_ablation("reciprocity", overrides={"training.steps": 7})
    assert kept.overrides["networks.z"] == 50
    assert kept.overrides["training.steps"] == 7
    (tmp_path / "mine.yaml").write_text("base: digits-mlp\nvariants: {a: {}}\nsedes: [1]\n")
    with pytest.raises(alae.ConfigError, match=r"unknown key 'sedes'; did you mean 'seeds'"):
        load_ablation(tmp_path / "mine.yaml")


def test_all_variants_of_a_seed_come_before_the_next(tmp_path):
    found = [(cell.variant, cell.seed) for cell in cells(matrix(), tmp_path)]
    assert found == [("latent", 0), ("autoencoder", 0), ("latent", 1), ("autoencoder", 1)]


@pytest.mark.slow
def test_runs_are_trained_measured_skipped_and_gone_on_with(tmp_path, monkeypatch):
    monkeypatch.setenv("ALAE_CACHE", str(tmp_path / "cache"))
    out, said = tmp_path / "out", []
    ablation = matrix()
    # One run was interrupted after its second step, as by a kill.
    from alae_workbench.runs.train import train

    train("digits-mlp", overrides={**SMALL, "seed": 0}, backend=BACKEND, out=out / "latent" / "seed-0", observers=[])
    for path in (out / "latent" / "seed-0" / "checkpoints").glob("step-*4"):
        path.rename(path.with_name("elsewhere"))
    result = ablate(ablation, out, backend=BACKEND, tell=said.append)
    assert said[0] == f"{out}: 4 runs, 0 of them done"
    assert len(said) == 5
    straight = train("digits-mlp", overrides={**SMALL, "seed": 0}, backend=BACKEND, out=tmp_path / "s", observers=[])
    gone_on = alae.load_checkpoint(out / "latent" / "seed-0").state
    assert all(
        np.array_equal(array, gone_on[name]) for name, array in alae.load_checkpoint(straight.path).state.items()
    )
    errors = result.numbers["latent"]["reconstruction_error"]
    assert errors[0] == pytest.approx(straight.measures["reconstruction_error"], rel=1e-5)
    assert len(errors) == 2
    assert set(result.numbers["autoencoder"]) == {"reconstruction_error"}, "without a prior there is no reciprocity"
    written = json.loads((out / "results.json").read_text("utf-8"))
    assert written["numbers"] == {variant: dict(found) for variant, found in result.numbers.items()}
    assert written["ablation"]["base"] == "digits-mlp"
    assert (out / "table.md").read_text("utf-8") == result.markdown()
    # What is done is not done again.
    before = {path: path.stat().st_mtime_ns for path in out.glob("*/*/checkpoints/*")}
    assert ablate(ablation, out, backend=BACKEND, tell=said.append).numbers == result.numbers
    assert said[-1] == f"{out}: 4 runs, 4 of them done"
    assert {path: path.stat().st_mtime_ns for path in out.glob("*/*/checkpoints/*")} == before
    # Other settings are refused, and named.
    other = matrix(overrides={**SMALL, "adam.learning_rate": 0.5})
    with pytest.raises(
        alae.AlaeError, match=r"seed-0 was made with adam.learning_rate=0.001, but is asked for with .*=0.5"
    ):
        ablate(other, out, backend=BACKEND, tell=said.append)
    assert load_experiment(Run(out / "latent" / "seed-1").config).config.seed == 1


def test_a_table_has_means_and_deviations():
    numbers = {"a": {"x": [1.0, 2.0], "y": [250.0]}, "b": {"x": [0.5, 0.5]}}
    found = Result(matrix(variants={"a": {}, "b": {}}, table=["x", "y", "absent"]), numbers)
    assert found.markdown() == (
        "| | x | y |\n| --- | --- | --- |\n| a | 1.500 ± 0.707 | 250 |\n| b | 0.500 ± 0.000 | – |\n"
    )
    assert spread([]) == "–"
