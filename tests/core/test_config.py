"""Configurations: fields, bundles of updates, and errors."""

import pytest

from alae_core import ConfigError, Updates, load_config, preset_names
from alae_core._support.yaml_text import to_explained_yaml
from alae_core.config import make_config
from alae_core.groups import BUNDLES
from tests.conftest import TINY_CONV, tiny_config, tiny_conv_config, tiny_style_config


@pytest.mark.parametrize("name", preset_names())
def test_a_written_configuration_reads_back(name, tmp_path):
    config = load_config(name)
    (tmp_path / "config.yaml").write_text(config.to_yaml(), "utf-8")
    assert load_config(tmp_path / "config.yaml") == config
    assert make_config(config.data()) == config
    assert config.data()["specification"] == 2


def test_mnist_presets_have_the_published_sizes():
    paper, official = load_config("mnist-mlp"), load_config("mnist-mlp-official")
    # w is wider than the paper's 50: docs/results.md
    assert (paper.networks.z, paper.networks.w, paper.networks.F.hidden) == (128, 256, (1024,))
    assert paper.networks.G.hidden == paper.networks.E.hidden == (1024, 1024)
    assert (paper.networks.D.hidden, paper.updates.bundle) == ((1024,), "paper")
    assert (official.networks.z, official.networks.w, len(official.networks.F.hidden) + 1) == (50, 50, 6)
    assert (len(official.networks.D.hidden) + 1, official.networks.D.slope) == (3, 1.0)
    assert (official.updates.bundle, official.adam.learning_rate) == ("official", 2e-3)


def test_a_configuration_is_frozen():
    with pytest.raises(ValueError, match="frozen"):
        load_config("digits-mlp").labels = 3


# ---- updates ---------------------------------------------------------------------------------------------------------


def test_bundles_of_updates_name_independent_choices():
    paper, official = (load_config("digits-mlp", {"updates": name}).updates for name in ("paper", "official"))
    own = {"reciprocity": "own", "weight": 1.0, "every": 1}
    assert paper.model_dump() == {"adam": "own", "distance": "sum", "target": "followed", "trains_F": False} | own
    assert (
        official.model_dump()
        == {
            "adam": "shared",
            "distance": "mean",
            "target": "constant",
            "trains_F": True,
        }
        | own
    )
    joint = load_config("digits-mlp", {"updates": "joint"})
    assert joint.updates.model_dump() == {
        "adam": "own",
        "distance": "mean",
        "target": "constant",
        "trains_F": True,
        "reciprocity": "adversarial",
        "weight": 1.0,
        "every": 4,
    }
    assert [updates.bundle for updates in (paper, official, joint.updates)] == ["paper", "official", "joint"]
    assert joint.data()["updates"] == "joint"
    assert Updates() == paper


def test_choices_of_bundles_can_be_mixed():
    crossed = load_config("digits-mlp", {"updates": "official", "updates.distance": "sum"})
    expected = Updates(adam="shared", distance="sum", target="constant", trains_F=True)
    assert (crossed.updates, crossed.updates.bundle) == (expected, None)
    assert crossed.data()["updates"] == expected.model_dump()
    assert make_config(crossed.data()) == crossed
    again = make_config(crossed.data(), {"updates.distance": "mean"})
    assert (again.updates.bundle, again.data()["updates"]) == ("official", "official")
    assert load_config("digits-mlp", {"updates": {"distance": "mean"}}).updates == Updates(distance="mean")
    # The last override wins.
    assert load_config("digits-mlp", {"updates.distance": "mean", "updates": "paper"}).updates == BUNDLES["paper"]


# ---- descriptions ----------------------------------------------------------------------------------------------------


def test_augmentation_is_off_by_default(tmp_path):
    plain = load_config("photos-style")
    assert (plain.augment, plain.adapts) == (None, False)
    fixed = load_config("photos-style", overrides={"augment.p": 0.3})
    adaptive = load_config("photos-style", overrides={"augment.target": 0.6, "augment.transforms": ["flip", "colour"]})
    assert (fixed.adapts, adaptive.adapts) == (False, True)
    assert fixed.augment.transforms == ("flip", "shift", "scale", "rotate", "colour", "cutout")
    assert adaptive.augment.transforms == ("flip", "colour")
    for config in (fixed, adaptive):
        (tmp_path / "config.yaml").write_text(config.to_yaml(), "utf-8")
        assert load_config(tmp_path / "config.yaml") == config
    assert "augment: null  # for few images: D∘E sees images changed at random" in to_explained_yaml(plain)
    assert "  target: 0.6  # adapts p: it rises while" in to_explained_yaml(adaptive)


def test_the_repr_is_the_nearest_preset_and_the_differences():
    shown = {
        "Config(mnist-mlp)": load_config("mnist-mlp"),
        "Config(celeba, but networks.w=64, growth.levels.0.images=5, batch_size=3)": load_config(
            "celeba", {"batch_size": 3, "networks.w": 64, "growth.levels.0.images": 5}
        ),
        "Config(digits-mlp, but updates=official)": load_config("digits-mlp", {"updates": "official"}),
        "Config(digits-mlp, but updates.distance=mean)": load_config("digits-mlp", {"updates.distance": "mean"}),
    }
    assert {repr(config): config for config in shown.values()} == shown
    assert str(load_config("mnist-mlp")) == "Config(mnist-mlp)"


def test_the_nearest_preset_has_the_same_family():
    """Even if fewer of the other fields differ."""
    for config in (tiny_config(), tiny_conv_config(), tiny_style_config()):
        preset = repr(config).removeprefix("Config(").split(",")[0]
        assert load_config(preset).networks.family == config.networks.family
    assert repr(tiny_config()).startswith("Config(digits-mlp, but image=[4, 3, 2], ")


# ---- mistakes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"adam.learning_rat": 1}, r"unknown key 'adam.learning_rat'; did you mean 'adam.learning_rate'\?"),
        ({"update": "paper"}, r"unknown key 'update'; did you mean 'updates'\?"),
        ({"networks.F.hiden": [3]}, r"did you mean 'networks.F.hidden'\?"),
        ({"networks": {"hiden": [3]}}, r"unknown key 'networks.hiden'"),
        (
            {"updates": "oficial"},
            "updates: 'oficial' is not a bundle of updates: it must be paper, official, joint, or",
        ),
        ({"updates.distance": "sums"}, "updates.distance is 'sums': input should be 'sum' or 'mean'"),
        ({"updates.adams": "own"}, r"unknown key 'updates.adams'; did you mean 'updates.adam'\?"),
        ({"batch_size": "many"}, "batch_size is 'many': input should be a valid integer"),
        ({"batch_size": 0}, "batch_size is 0: input should be greater than 0"),
        ({"batch_size": 1.5}, "batch_size is 1.5"),
        ({"batch_size.x": 1}, "'batch_size.x' cannot be set: 'x' would be inside 128, which is not a group of keys"),
        ({"seed": -1}, "seed is -1: input should be greater than or equal to 0"),
        ({"seed": 2**63}, f"seed is {2**63}: input should be less than {2**63}"),
        ({"adam.learning_rate": float("nan")}, "adam.learning_rate is nan: input should be a finite number"),
        ({"adam.learning_rate": "1"}, "adam.learning_rate is '1': input should be a valid number"),
        ({"adam.beta2": 1.0}, "adam.beta2 is 1.0: input should be less than 1"),
        ({"image": [28, 28]}, r"image is \[28, 28\], but must be height, width, channels$"),
        ({"image": [28, 28, 1, 1]}, r"image is \[28, 28, 1, 1\]: tuple should have at most 3 items"),
        ({"specification": 1}, "'specification' cannot be set"),
        ({"growth.levels.0.images": 5}, r"'growth.levels.0.images' cannot be set: there is no list for the index '0'"),
        ({"batch_size": 2**63}, f"batch_size is {2**63}: input should be less than or equal to {10**12}"),
        (
            {"networks.F.hidden": [1] * 500},
            r"F.hidden is \[1, 1, .*\.\.\.\]: tuple should have at most 100 items",
        ),
        ({"labels": 10**6}, "labels is 1000000: input should be less than 65536"),
        ({str(i): i for i in range(9)}, "unknown key '4'.*; and 4 more$"),
        ({"image.3": 1}, "'image.3' cannot be set: '3' must be an index of the list, 0 … 2"),
        ({"image.-1": 1}, "'image.-1' cannot be set: '-1' must be an index of the list, 0 … 2"),
        ({"networks.F.lrmul": 0.1}, "F.lrmul is 0.1, which only equalized layers use"),
        ({"labels": 1}, "labels is 1, but one class carries no information"),
        ({"algorithm": "vae", "networks.w": 9}, "algorithm vae draws w itself .* z has 64 numbers and w 9: make them"),
        ({"algorithm": "bigan", "augment.p": 0.1}, "augment changes what D sees, but the algorithm bigan has no D"),
        (
            {"augment.p": 0.0},
            "augment: p is 0 and there is no target, so images would never change: set p, set a target",
        ),
        ({"augment.p": 1.2}, "augment.p is 1.2: input should be less than or equal to 1"),
        ({"augment": {"p": 0.9, "target": 0.6}}, "augment: p is 0.9, but an adaptive p must be 0.8 or less"),
        ({"augment.target": 1.0}, "augment.target is 1.0: input should be less than 1"),
        ({"augment": {"p": 0.5, "transforms": []}}, r"augment.transforms is \[\]: tuple should have at least 1 item"),
        (
            {"augment": {"p": 0.5, "transforms": ["blur"]}},
            "augment.transforms.0 is 'blur': input should be 'flip', 'sh",
        ),
        ({"networks.output": "sigmoid"}, "networks.output is 'sigmoid': input should be 'linear' or 'tanh'"),
        (
            {"algorithm": "vae", "networks.normalize_w": True},
            "networks.normalize_w is true, but the algorithm vae draws w from a Gaussian prior: set it to false",
        ),
        ({"r2_gamma": -1.0}, "r2_gamma is -1.0: input should be greater than or equal to 0"),
        ({"algorithm": "bigan", "r2_gamma": 1.0}, "r2_gamma is 1.0, but the algorithm bigan has no D: set it to 0"),
        ({"updates.weight": 0.0}, "updates.weight is 0.0: input should be greater than 0"),
        ({"updates.every": 0}, "updates.every is 0: input should be greater than 0"),
        ({"updates.reciprocity": "joint"}, "updates.reciprocity is 'joint': input should be 'own' or 'adversarial'"),
        (
            {"objective": "relativist"},
            r"there is no objective 'relativist'; did you mean 'relativistic'\?; objectives: logistic, .*relativistic;",
        ),
        ({"schedule.images": 0}, "schedule.images is 0: input should be greater than 0"),
        ({"schedule.constant": 1.0}, "schedule.constant is 1.0: input should be less than 1"),
        ({"schedule.rate_end": 0.0}, "schedule.rate_end is 0.0: input should be greater than 0"),
        ({"schedule.r1_gamma_end": -1.0}, "schedule.r1_gamma_end is -1.0: input should be greater than or equal to 0"),
        ({"schedule.rate": 0.1}, r"unknown key 'schedule.rate'; did you mean 'schedule.rate_end'\?"),
        ({"average_warmup": 1.0}, "average_warmup is 1.0: input should be less than 1"),
        ({"augment.transform": []}, "unknown key 'augment.transform'; did you mean 'augment.transforms'"),
    ],
)
def test_mistakes_are_named_with_their_values(overrides, message):
    with pytest.raises(ConfigError, match=message) as caught:
        load_config("digits-mlp", overrides=overrides)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"image": [8, 9, 2]}, "image is 8×9, but 2 networks.widths make images with sides of 8, 10, 12, 14, 16: "),
        ({"image": [6, 10, 2]}, "image is 6×10, but 2 networks.widths make images with sides of 8, 10, "),
        ({"image": [8, 18, 2]}, "image is 8×18, but 2 networks.widths make"),
        ({"networks.widths": [4, 3, 2]}, "image is 8×10, but 3 networks.widths make images with sides of 16, 20, "),
        ({"networks.widths": [4]}, r"networks.widths is \[4\]: tuple should have at least 2 items"),
        ({"networks.residual": 3}, "residual is 3, but widths has 2 resolutions"),
        ({"networks.F.lrmul": 0.1}, "F.lrmul is for equalized layers, which conv networks lack: omit it"),
        ({"networks.D.lrmul": 0.1}, "D.lrmul is for equalized layers, which conv networks lack: omit it"),
        ({"networks.output": "relu"}, "networks.output is 'relu': input should be 'linear' or 'tanh'"),
        ({"networks.width": [4, 3]}, r"unknown key 'networks.width'; did you mean 'networks.widths'\?"),
        ({"networks.G.hidden": [4]}, "unknown key 'networks.G"),
        ({"algorithm": "bigan", "networks.z": 7}, "networks.normalize_w is true, but the algorithm bigan draws w from"),
    ],
)
def test_mistakes_in_conv_configurations_are_named(overrides, message):
    with pytest.raises(ConfigError, match=message) as caught:
        make_config(TINY_CONV, overrides)
    assert "\n" not in str(caught.value)


def test_a_configuration_has_networks_of_one_family():
    with pytest.raises(ConfigError, match="are of the family conv, but must be perceptrons here"):
        _ = tiny_conv_config().mlp
    with pytest.raises(ConfigError, match="are of the family mlp, but must be conv networks here"):
        _ = tiny_config().conv
    with pytest.raises(ConfigError, match="are of the family conv, but this needs style networks"):
        _ = tiny_conv_config().style


def test_a_prior_on_w_is_possible_without_normalized_w():
    assert tiny_conv_config(algorithm="vae", networks__z=7, networks__normalize_w=False).algorithm == "vae"


@pytest.mark.parametrize("key", ["mapping_layers", "truncation_layers"])
def test_style_networks_have_a_maximum_number_of_layers(key):
    assert getattr(load_config("digits-style", {f"networks.{key}": 100}).networks, key) == 100
    with pytest.raises(ConfigError, match=f"networks.{key} is 101: input should be less than or equal to 100"):
        load_config("digits-style", {f"networks.{key}": 101})
