"""Configurations: presets load, every field is typed, and whatever is wrong is named."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alae_core import ConfigError, load_config, preset_names
from alae_core.config import parse_yaml


def test_presets_are_the_documented_ones():
    perceptrons = ["digits-mlp", "mnist-mlp", "mnist-mlp-official"]
    styles = ["bedroom", "celeba", "celeba-hq256", "digits-style", "ffhq", "mnist-style"]
    assert preset_names() == sorted(perceptrons + styles)


@pytest.mark.parametrize("name", preset_names())
def test_a_written_configuration_reads_back_equal(name, tmp_path):
    config = load_config(name)
    (tmp_path / "config.yaml").write_text(config.to_yaml(), "utf-8")
    assert load_config(tmp_path / "config.yaml") == config


def test_mnist_presets_have_the_published_sizes():
    paper, official = load_config("mnist-mlp"), load_config("mnist-mlp-official")
    assert (paper.networks.z, paper.networks.w, paper.networks.F.hidden) == (128, 50, (1024,))
    assert paper.networks.G.hidden == paper.networks.E.hidden == (1024, 1024)
    assert (paper.networks.D.hidden, paper.updates) == ((1024,), "paper")
    assert (official.networks.z, official.networks.w, len(official.networks.F.hidden) + 1) == (50, 50, 6)
    assert (len(official.networks.D.hidden) + 1, official.networks.D.slope) == (3, 1.0)
    assert (official.updates, official.adam.learning_rate) == ("official", 2e-3)


def test_overrides_reach_nested_fields_and_leave_the_preset_alone():
    config = load_config("mnist-mlp", overrides={"updates": "official", "adam.learning_rate": 1e-3})
    assert (config.updates, config.adam.learning_rate, config.adam.beta2) == ("official", 1e-3, 0.99)
    assert load_config("mnist-mlp").updates == "paper"


def test_a_configuration_is_frozen():
    with pytest.raises(ValueError, match="frozen"):
        load_config("digits-mlp").labels = 3


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"adam.learning_rat": 1}, r"unknown key 'adam.learning_rat'; did you mean 'adam.learning_rate'\?"),
        ({"update": "paper"}, r"unknown key 'update'; did you mean 'updates'\?"),
        ({"networks.F.hiden": [3]}, r"did you mean 'networks.F.hidden'\?"),
        ({"updates": "oficial"}, "updates is 'oficial': input should be 'paper' or 'official'"),
        ({"training.steps": "many"}, "training.steps is 'many': input should be a valid integer"),
        ({"training.steps": 0}, "training.steps is 0: input should be greater than 0"),
        ({"training.batch_size": 1.5}, "training.batch_size is 1.5"),
        ({"adam.learning_rate": float("nan")}, "adam.learning_rate is nan: input should be a finite number"),
        ({"adam.learning_rate": "1"}, "adam.learning_rate is '1': input should be a valid number"),
        ({"adam.beta2": 1.0}, "adam.beta2 is 1.0: input should be less than 1"),
        ({"image": [28, 28]}, "image"),
        ({"networks.F.lrmul": 0.1}, "F.lrmul is 0.1, which only equalized layers use"),
        ({"labels": 1}, "labels is 1, a single class says nothing"),
        ({"updates.order": 1}, "'updates' is the value 'paper', not a group of keys"),
    ],
)
def test_a_mistake_is_named_with_its_value(overrides, message):
    with pytest.raises(ConfigError, match=message) as caught:
        load_config("digits-mlp", overrides=overrides)
    assert "\n" not in str(caught.value)


def test_a_preset_that_does_not_exist_suggests_the_nearest():
    with pytest.raises(ConfigError, match=r"no preset 'mnist_mlp'; did you mean 'mnist-mlp'\?"):
        load_config("mnist_mlp")


@pytest.mark.parametrize(
    ("text", "message"),
    [("a: [", "is not YAML"), ("- 1", "must be a mapping"), ("image: [8, 8, 1]", "'networks' is missing")],
)
def test_a_broken_file_is_named(tmp_path, text, message):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message) as caught:
        load_config(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match="No such file"):
        load_config(tmp_path / "none.yaml")


@given(st.floats(min_value=1e-30, max_value=1e30))
def test_numbers_are_read_however_they_are_written(number):
    assert parse_yaml(f"{number:e}") == float(f"{number:e}")
    assert parse_yaml(repr(number)) == number
