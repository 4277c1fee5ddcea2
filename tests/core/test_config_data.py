"""Configurations as plain data: presets, files, overrides and versions."""

import os

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from alae_core import ConfigError, load_config, preset_names
from alae_core._support.dotted_keys import differences, override
from alae_core._support.yaml_text import parse_yaml
from alae_core.config import make_config
from alae_core.config_data import migrate, preset_text, read_config
from tests.conftest import tiny_config

#: a file of version 1 of the specification, without a version
FIRST = """
description: two layers each
image: [4, 3, 2]
labels: 0
networks:
  family: mlp
  z: 5
  w: 7
  F: {hidden: [11]}
  G: {hidden: [13, 9]}
  E: {hidden: [12, 10]}
  D: {hidden: [8]}
objective: hinge
r1_gamma: 30.0
reciprocity: latent
updates: official
adam: {learning_rate: 2.0e-4, warmup: 0.0, beta1: 0.0, beta2: 0.99, epsilon: 1.0e-8}
average_halflife: 10000.0
precision: float32
training: {data: mnist, steps: 10000, batch_size: 12, held_out: 10, seed: 9, report_every: 100}
"""


def test_presets_are_the_documented_ones():
    perceptrons = ["digits-mlp", "mnist-mlp", "mnist-mlp-official"]
    styles = ["bedroom", "celeba", "celeba-hq256", "digits-style", "ffhq", "mnist-style", "photos-style"]
    convs = ["avatars-conv", "digits-conv", "mnist-conv", "photos-conv", "photos-conv64"]
    assert preset_names() == sorted([*perceptrons, *convs, *styles])


def test_overrides_change_nested_fields_but_not_the_preset():
    config = load_config("mnist-mlp", overrides={"updates": "official", "adam.learning_rate": 1e-3})
    assert (config.updates.bundle, config.adam.learning_rate, config.adam.beta2) == ("official", 1e-3, 0.99)
    assert load_config("mnist-mlp").updates.bundle == "paper"


def test_groups_merge_into_existing_groups():
    found = load_config("digits-mlp", {"networks": {"w": 16, "F": {"hidden": [3]}}, "adam": {"beta1": 0.5}})
    one_by_one = load_config("digits-mlp", {"networks.w": 16, "networks.F.hidden": [3], "adam.beta1": 0.5})
    assert differences(found.data(), one_by_one.data()).keys() <= {"description"}
    assert (found.networks.z, found.networks.w, found.networks.E.hidden) == (64, 16, (256, 256))
    assert found.networks.F.hidden == (3,), "a list is one value: it is not merged"
    assert (found.adam.beta1, found.adam.warmup) == (0.5, 0.999)


def test_networks_of_another_family_replace_the_old_ones():
    style = {"family": "style", "z": 5, "w": 7, "startf": 3}
    levels = {"levels": [{"images": 3}, {"images": 3}]}
    found = load_config("digits-mlp", {"networks": style, "growth": levels})
    assert (found.style.startf, found.style.maxf) == (3, 512)
    assert load_config("digits-mlp", {"networks": {"family": "mlp", "w": 16}}).networks.F.hidden == (256,)


def test_a_number_in_a_key_is_a_list_index():
    before = load_config("digits-style")
    found = load_config("digits-style", {"growth.levels.0.images": 5000, "growth.levels.1": {"fade": 0.25}})
    first, second = before.growth.levels
    assert found.growth.levels == (
        first.model_copy(update={"images": 5000}),
        second.model_copy(update={"fade": 0.25}),
    )


def test_overriding_does_not_change_its_input():
    data = {"a": {"b": [1, {"c": 2}]}, "d": 3}
    assert override(data, "a.b.1.c", 5) == {"a": {"b": [1, {"c": 5}]}, "d": 3}
    assert override(data, "e.f", 5) == {**data, "e": {"f": 5}}
    assert override(data, "a", {"g": 5}) == {"a": {"b": [1, {"c": 2}], "g": 5}, "d": 3}
    assert override(data, "a", None) == {"a": None, "d": 3}
    assert data == {"a": {"b": [1, {"c": 2}]}, "d": 3}


KEYS = st.sampled_from("abc")


NESTED = st.recursive(st.integers(), lambda inner: st.dictionaries(KEYS, inner, max_size=3))


@given(st.dictionaries(KEYS, NESTED, max_size=3), st.data())
def test_overriding_with_differences_restores_the_data(base, data):
    """For nested groups with the same keys, overriding with the differences gives the other group."""
    changed, found = _with_other_numbers(base, data.draw), base
    for key, value in differences(changed, base).items():
        found = override(found, key, value)
    assert found == changed
    assert differences(base, base) == {}


def _with_other_numbers(value, draw):
    if isinstance(value, dict):
        return {key: _with_other_numbers(inner, draw) for key, inner in value.items()}
    return draw(st.sampled_from([value, value + 1]))


def test_the_first_version_reads_as_the_same_configuration(tmp_path):
    path = tmp_path / "old.yaml"
    path.write_text(FIRST, "utf-8")
    expected = tiny_config(
        batch_size=12,
        seed=9,
        objective="hinge",
        r1_gamma=30.0,
        updates="official",
        adam__learning_rate=2e-4,
        adam__warmup=0.0,
        description="two layers each",
    )
    assert load_config(path) == expected
    path.write_text("specification: 1\n" + FIRST, "utf-8")
    assert load_config(path) == expected
    # The rest of the group is unchanged.
    assert read_config(path)["training"] == {"data": "mnist", "steps": 10000, "held_out": 10, "report_every": 100}


def test_migrations_change_renamed_keys_only():
    old = parse_yaml(FIRST)
    assert migrate(old) == {
        **{key: value for key, value in old.items() if key != "training"},
        "training": {"data": "mnist", "steps": 10000, "held_out": 10, "report_every": 100},
        "batch_size": 12,
        "seed": 9,
    }
    assert old == parse_yaml(FIRST)
    assert migrate({"specification": 2, "training": {"batch_size": 1}}) == {"training": {"batch_size": 1}}
    assert migrate({"training": None, "image": [1, 2, 3]}) == {"training": None, "image": [1, 2, 3]}


@pytest.mark.parametrize("version", [0, 3, -1, "2", 2.0, None])
def test_an_unknown_version_is_refused(tmp_path, version):
    path = tmp_path / "new.yaml"
    path.write_text(yaml.safe_dump({"specification": version}) + FIRST, "utf-8")
    with pytest.raises(ConfigError, match=rf"version {version!r} of the specification, but .* reads 1 to 2") as caught:
        load_config(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("old", "new"), [("training.batch_size", "batch_size"), ("training.seed", "seed")])
def test_an_old_key_is_refused_naming_the_new_one(old, new):
    with pytest.raises(ConfigError, match=f"the key '{old}' is now called '{new}'"):
        load_config("digits-mlp", overrides={old: 3})
    group, key = old.split(".")
    with pytest.raises(ConfigError, match=f"the key '{old}' is now called '{new}'"):
        load_config("digits-mlp", {group: {key: 3}})
    with pytest.raises(ConfigError, match=f"the key '{old}' is now called '{new}'"):
        make_config(load_config("digits-mlp").data() | {group: {key: 3}})


def test_the_group_training_is_ignored(tmp_path):
    assert "training:" in preset_text("digits-mlp")
    path = tmp_path / "mine.yaml"
    path.write_text(load_config("digits-mlp").to_yaml() + "training: {data: anything, whatever: [1]}", "utf-8")
    assert load_config(path) == load_config("digits-mlp")
    assert load_config("digits-mlp", {"training.data": "mnist"}) == load_config("digits-mlp")
    assert read_config(path, {"training.data": "mnist"})["training"] == {"data": "mnist", "whatever": [1]}


def test_overrides_are_added_to_the_description(tmp_path):
    digits = load_config("digits-mlp")
    found = load_config("digits-mlp", {"updates": "official", "adam.learning_rate": 2e-3}).description
    assert found == "digits-mlp, but updates=official, adam.learning_rate=0.002"
    assert load_config("digits-mlp", {"networks": {"w": 16}}).description == "digits-mlp, but networks.w=16"
    crossed = {"updates": "official", "updates.adam": "own"}
    assert load_config("digits-mlp", crossed).description == (
        "digits-mlp, but updates.distance=mean, updates.target=constant, updates.trains_F=True"
    )
    # Overrides without effect do not change it, and an explicit description wins.
    assert load_config("digits-mlp", {"batch_size": digits.batch_size}).description == digits.description
    assert load_config("digits-mlp", {"training.data": "mnist"}).description == digits.description
    assert load_config("digits-mlp", {"labels": 10, "description": "mine"}).description == "mine"
    path = tmp_path / "mine.yaml"
    path.write_text(digits.to_yaml(), "utf-8")
    assert load_config(path, {"labels": 10}).description == "mine.yaml, but labels=10"


def test_an_unknown_preset_suggests_a_similar_one():
    with pytest.raises(ConfigError, match=r"no preset 'mnist_mlp'; did you mean 'mnist-mlp'\?"):
        load_config("mnist_mlp")


@pytest.mark.parametrize(
    ("text", "message"),
    [("a: [", "is not YAML"), ("- 1", "must be a mapping"), ("image: [8, 8, 1]", "'networks' is missing")],
)
def test_broken_files_are_named(tmp_path, text, message):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message) as caught:
        load_config(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- " * 3000, "deeper than the 20 levels"),
        (f"a: {'9' * 5000}", "has a value that cannot be read"),
        (f"a: 0x{'f' * 300}", "a number with more digits than settings may have"),
        ("a: !!int x", "has a value that cannot be read"),
        ("seed: 1\nadam: {beta1: 0.1, beta1: 0.2}", "'beta1' is given twice.* line 2, column 20"),
        ("a: &a [*a]", "deeper than the 20 levels"),
        ("a: !!python/object/apply:os.system [false]", "could not determine a constructor"),
        ("#" * 2**17, "it has 131,072 bytes, more than the 65,536 that such a file may have"),
    ],
)
def test_oversized_settings_are_refused(tmp_path, text, message):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_config(path)


def test_irregular_files_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe.yaml")
    for path in (tmp_path / "pipe.yaml", tmp_path):
        with pytest.raises(ConfigError, match=r"cannot read the configuration .*: it is (a folder|not a regular)"):
            load_config(path)
    with pytest.raises(ConfigError, match="there is no preset"):
        load_config("x" * 5000)


def test_dates_stay_text():
    assert parse_yaml("[2001-99-99, 2001-01-01]") == ["2001-99-99", "2001-01-01"]


def test_aliases_and_merged_groups_are_read():
    assert parse_yaml("a: &a {x: 1}\nb: [*a, {<<: *a, y: 2}]")["b"] == [{"x": 1}, {"x": 1, "y": 2}]


def test_missing_files_are_named(tmp_path):
    with pytest.raises(ConfigError, match="No such file"):
        load_config(tmp_path / "none.yaml")


@given(st.floats(min_value=1e-30, max_value=1e30))
def test_numbers_are_read_in_every_notation(number):
    assert parse_yaml(f"{number:e}") == float(f"{number:e}")
    assert parse_yaml(repr(number)) == number
