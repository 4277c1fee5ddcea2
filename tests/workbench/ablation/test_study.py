"""Ablation studies: training, skipping, continuing and summarising runs."""

import json
import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import alae_core as alae
from alae_workbench.ablation.study import (
    Ablation,
    Result,
    ablate,
    format_spread,
    list_ablations,
    list_cells,
    load_ablation,
)
from alae_workbench.runs.settings import load_experiment
from alae_workbench.storage.directory import Run
from tests.conftest import TINY

BACKEND = os.environ.get("KERAS_BACKEND", "jax")
SMALL = {key: value for key, value in TINY.items() if key.startswith("networks")} | {
    "training.held_out": 60,
    "training.steps": 4,
    "training.checkpoint_every": 2,
}


def make_ablation(**changes):
    fields = {
        "base": "digits-mlp",
        "overrides": SMALL,
        "seeds": [0, 1],
        "variants": {"latent": {}, "autoencoder": {"algorithm": "autoencoder"}},
        "measures": ["reconstruction_error", "reciprocity_error"],
    }
    return Ablation.model_validate({**fields, **changes})


@pytest.mark.parametrize("name", list_ablations())
def test_the_runs_of_shipped_ablations_differ(name):
    ablation = load_ablation(name)
    configs = {
        (c.variant, c.seed): ablation.experiment(c.variant, c.seed).config for c in list_cells(ablation, Path("x"))
    }
    assert len({config.model_copy(update={"description": ""}) for config in configs.values()}) == len(configs)


def test_the_shipped_ablation_has_every_reciprocity_and_every_baseline():
    ablation = load_ablation("reciprocity")
    algorithms = {ablation.experiment(name, 0).config.algorithm for name in ablation.variants}
    spaces = {ablation.experiment(name, 0).config.reciprocity for name in ablation.variants}
    assert algorithms == {"alae", "autoencoder", "vae", "bigan"}
    assert spaces == {"latent", "data", "both", "none", "z"}
    assert len(ablation.seeds) == 3
    assert ablation.experiment("latent", 2).steps >= 5000


def test_reciprocity_can_be_compared_on_a_recipe_that_normalizes_w():
    ablation = load_ablation("reciprocity", base="mnist-conv")
    configs = {name: ablation.experiment(name, 0).config for name in ablation.variants}
    assert {config.networks.family for config in configs.values()} == {"conv"}
    assert [name for name, config in configs.items() if not config.networks.normalize_w] == ["vae", "bigan"]


def test_the_ablation_of_the_recipe_goes_from_one_preset_to_the_other():
    ablation = load_ablation("recipe")
    keep = {"description", "schedule", "seed"}
    first, last = (ablation.experiment(name, 0) for name in ("mnist-mlp", "mnist-conv"))
    assert first.config.model_dump(exclude=keep) == alae.load_config("mnist-mlp", {"batch_size": 32}).model_dump(
        exclude=keep
    )
    assert last.config.model_dump(exclude=keep) == alae.load_config("mnist-conv").model_dump(exclude=keep)
    assert last.config.schedule.model_dump(exclude={"images"}) == alae.load_config("mnist-conv").schedule.model_dump(
        exclude={"images"}
    )
    rows = [ablation.variants[name] for name in list(ablation.variants)[:11]]
    changed = [{key for key in after if after[key] != before.get(key)} for before, after in pairwise(rows)]
    assert [keys for keys in changed if len(keys) != 1] == [{"average_halflife", "average_warmup"}]


def test_another_base_drops_the_overrides_of_the_first(tmp_path):
    ablation = load_ablation("reciprocity", base="digits-style", overrides={"training.steps": 7}, seeds=[5])
    assert (ablation.base, ablation.overrides, ablation.seeds) == ("digits-style", {"training.steps": 7}, (5,))
    assert ablation.experiment("bigan", 5).config.networks.family == "style"
    same_base = load_ablation("reciprocity", overrides={"training.steps": 7})
    assert same_base.overrides["networks.z"] == 50
    assert same_base.overrides["training.steps"] == 7
    (tmp_path / "mine.yaml").write_text("base: digits-mlp\nvariants: {a: {}}\nsedes: [1]\n")
    with pytest.raises(alae.ConfigError, match=r"unknown key 'sedes'; did you mean 'seeds'"):
        load_ablation(tmp_path / "mine.yaml")


@pytest.mark.parametrize("field", ["measures", "table"])
def test_unknown_measures_are_refused_before_training(tmp_path, field):
    (tmp_path / "mine.yaml").write_text(f"base: digits-mlp\nvariants: {{a: {{}}}}\n{field}: [psnt]\n")
    with pytest.raises(alae.ConfigError, match=rf"mine.yaml: {field}: there is no measure 'psnt'; did you mean 'psnr'"):
        load_ablation(tmp_path / "mine.yaml")


def test_all_variants_of_a_seed_come_before_the_next(tmp_path):
    order = [(cell.variant, cell.seed) for cell in list_cells(make_ablation(), tmp_path)]
    assert order == [("latent", 0), ("autoencoder", 0), ("latent", 1), ("autoencoder", 1)]


@pytest.mark.slow
def test_runs_are_trained_measured_skipped_and_continued(tmp_path, monkeypatch):
    monkeypatch.setenv("ALAE_CACHE", str(tmp_path / "cache"))
    out, messages = tmp_path / "out", []
    ablation = make_ablation()
    # As if one run had crashed after its second step.
    from alae_workbench.runs.train import train

    train("digits-mlp", overrides={**SMALL, "seed": 0}, backend=BACKEND, out=out / "latent" / "seed-0", observers=[])
    for path in (out / "latent" / "seed-0" / "checkpoints").glob("step-*4"):
        path.rename(path.with_name("elsewhere"))
    result = ablate(ablation, out, backend=BACKEND, tell=messages.append)
    assert messages[0] == f"{out}: 4 runs, 0 of them finished"
    assert len(messages) == 5
    straight = train("digits-mlp", overrides={**SMALL, "seed": 0}, backend=BACKEND, out=tmp_path / "s", observers=[])
    continued = alae.load_checkpoint(out / "latent" / "seed-0").state
    assert all(
        np.array_equal(array, continued[name]) for name, array in alae.load_checkpoint(straight.path).state.items()
    )
    errors = result.numbers["latent"]["reconstruction_error"]
    assert errors[0] == pytest.approx(straight.measures["reconstruction_error"], rel=1e-5)
    assert len(errors) == 2
    assert set(result.numbers["autoencoder"]) == {"reconstruction_error"}, "without a prior there is no reciprocity"
    written = json.loads((out / "results.json").read_text("utf-8"))
    assert written["numbers"] == {variant: dict(values) for variant, values in result.numbers.items()}
    assert written["ablation"]["base"] == "digits-mlp"
    assert (out / "table.md").read_text("utf-8") == result.to_markdown()
    # Finished runs are skipped.
    before = {path: path.stat().st_mtime_ns for path in out.glob("*/*/checkpoints/*")}
    assert ablate(ablation, out, backend=BACKEND, tell=messages.append).numbers == result.numbers
    assert messages[-1] == f"{out}: 4 runs, 4 of them finished"
    assert {path: path.stat().st_mtime_ns for path in out.glob("*/*/checkpoints/*")} == before
    # Other settings are refused, and the error names them.
    other = make_ablation(overrides={**SMALL, "adam.learning_rate": 0.5})
    with pytest.raises(
        alae.AlaeError, match=r"seed-0 was made with adam.learning_rate=0.001, but now .*=0.5 is requested"
    ):
        ablate(other, out, backend=BACKEND, tell=messages.append)
    assert load_experiment(Run(out / "latent" / "seed-1").config).config.seed == 1


def test_the_table_has_means_and_deviations():
    numbers = {"a": {"x": [1.0, 2.0], "y": [250.0]}, "b": {"x": [0.5, 0.5]}}
    result = Result(make_ablation(variants={"a": {}, "b": {}}, table=["x", "y", "absent"]), numbers)
    assert result.to_markdown() == (
        "| | x | y |\n| --- | --- | --- |\n| a | 1.500 ± 0.707 | 250 |\n| b | 0.500 ± 0.000 | – |\n"
    )
    assert format_spread([]) == "–"
