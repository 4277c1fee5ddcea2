"""Names of algorithms, families and objectives are found in alae, in plug-ins and in installed packages."""

from importlib.metadata import EntryPoint

import pytest

import alae_core as alae
from alae_core import lookup, plugin_kinds
from alae_core.config import load_config
from alae_core.objectives import Objective
from tests.helpers.plugins import forget_plugins

PAIRS = Objective(abs, None, abs)


@pytest.fixture(autouse=True)
def plugin(monkeypatch, tmp_path):
    """A plug-in with an objective, an algorithm and a family, each with settings."""
    forget_plugins(monkeypatch, tmp_path / "cache")
    path = tmp_path / "mine.py"
    path.write_text(
        "import alae_core as alae\n"
        "from pydantic import Field, PositiveFloat\n"
        "class Margin(alae.Settings): margin: PositiveFloat = 1.0\n"
        "class Pace(alae.Settings): pace: int = Field(ge=1, le=9)\n"
        "class Net(alae.Networks): width: int = 8\n"
        "OBJECTIVES = {'margin': alae.Objective(abs, None, abs, Margin)}\n"
        "ALGORITHMS = {'paced': alae.Algorithm({'G': 'G', 'E': 'E'}, print, Pace)}\n"
        "FAMILIES = {'net': alae.FamilyDefinition(Net, 'nowhere:Net')}\n",
        "utf-8",
    )
    alae.load_plugin(path)


def load(**overrides):
    return load_config("digits-mlp", {key.replace("__", "."): value for key, value in overrides.items()})


def test_settings_of_plugins_are_groups_with_defaults():
    config = load(objective="margin", algorithm="paced", algorithm_settings__pace=3)
    assert (config.objective_settings.margin, config.algorithm_settings.pace) == (1.0, 3)
    assert config.data()["algorithm_settings"] == {"pace": 3}
    config = load(networks={"family": "net", "z": 3, "w": 4, "width": 5})
    assert (config.networks.width, config.networks.kernels) == (5, "he")


@pytest.mark.parametrize(
    ("overrides", "problem"),
    [
        (
            {"objective": "margins"},
            r"no objective 'margins'; did you mean 'margin'\?; .*; of plug-ins: margin$",
        ),
        (
            {"algorithm": "pacd"},
            r"no algorithm 'pacd'; did you mean 'paced'\?; algorithms: alae, .*: paced$",
        ),
        ({"networks.family": "nett"}, r"no family 'nett'; did you mean 'net'\?; families: mlp, conv, style; .* net$"),
        ({"objective": "margin", "objective_settings.margn": 1.0}, r"did you mean 'objective_settings.margin'\?"),
        ({"objective": "margin", "objective_settings.margin": -1.0}, "objective_settings.margin is -1.0: input should"),
        (
            {"objective": "margin", "objective_settings.margin": "x"},
            "objective_settings.margin is 'x': input",
        ),
        ({"algorithm": "paced"}, "the key 'algorithm_settings.pace' is missing"),
        ({"algorithm": "paced", "algorithm_settings.pace": 10}, "algorithm_settings.pace is 10: input should be less"),
        (
            {"objective_settings.margin": 1.0},
            "is {'margin': 1.0}, but the objective logistic has none",
        ),
        ({"networks": {"family": "net", "z": 3, "w": 4, "wdth": 5}}, r"did you mean 'networks.width'\?"),
        ({"plugins": 3}, "plugins is 3, but must be a list"),
    ],
)
def test_mistakes_are_explained(overrides, problem):
    with pytest.raises(alae.ConfigError, match=problem):
        load_config("digits-mlp", overrides)


def test_without_plugins_the_error_says_how_to_load_one(monkeypatch):
    forget_plugins(monkeypatch)
    with pytest.raises(alae.ConfigError, match=r"no algorithm 'r3'; .* one of your own comes with --plugin"):
        load(algorithm="r3")


def test_installed_packages_define_names_by_entry_points(monkeypatch):
    entry = EntryPoint("pairs", "tests.core.test_lookup:PAIRS", "alae.objectives")
    monkeypatch.setattr(lookup, "entry_points", lambda group: [entry] if group == entry.group else [])
    assert list(lookup.installed_plugins(plugin_kinds.OBJECTIVE)) == ["pairs"]
    config = load(objective="pairs")
    assert config.data()["plugins"] == [{"package": "tests"}]
    assert lookup.find_objective("pairs") is PAIRS


@pytest.mark.parametrize("value", ["tests.core.test_lookup:load", "tests.nothing:PAIRS"])
def test_broken_entry_points_are_explained(monkeypatch, value):
    entry = EntryPoint("pairs", value, "alae.objectives")
    monkeypatch.setattr(lookup, "entry_points", lambda group: [entry] if group == entry.group else [])
    with pytest.raises(alae.PluginError, match=f"{value}, the objective 'pairs' of an installed package,"):
        load(objective="pairs")


def test_every_kind_has_a_group_of_entry_points():
    groups = [kind.group for kind in plugin_kinds.KINDS]
    assert groups == ["alae.algorithms", "alae.families", "alae.objectives"]
