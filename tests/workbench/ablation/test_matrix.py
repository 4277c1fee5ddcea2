"""The runs of ablations: those that ship with alae, and files of one's own."""

from itertools import pairwise
from pathlib import Path

import pytest

import alae_core as alae
from alae_workbench.ablation.matrix import Ablation, list_ablations, list_cells, load_ablation


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
    ablation = Ablation(base="digits-mlp", seeds=(0, 1), variants={"latent": {}, "autoencoder": {"algorithm": "vae"}})
    order = [(cell.variant, cell.seed) for cell in list_cells(ablation, tmp_path)]
    assert order == [("latent", 0), ("autoencoder", 0), ("latent", 1), ("autoencoder", 1)]
