"""Configurations: as hostile YAML, and with absurd values."""

import pytest

from alae_core import load_config, preset_names
from alae_core._support.dotted_keys import override
from alae_core.config import make_config, preset_text
from alae_core.sizes import require_room
from alae_workbench.runs.settings import load_experiment
from tests.fuzz import attempt, cases
from tests.fuzz.hostile import BOMB, MERGED, TEXTS, VALUES, mutated, pick


def written(experiment):
    """All that is made of an experiment without building it."""
    require_room(experiment.config, training=True)
    return experiment.to_yaml(), repr(experiment.config), experiment.steps


def keys(data, prefix=""):
    """Every dotted key of nested data, groups included."""
    pairs = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in pairs:
        yield f"{prefix}{key}"
        yield from keys(value, f"{prefix}{key}.")


def test_texts(tmp_path):
    path = tmp_path / "config.yaml"
    for case, random in cases(at_least=len(TEXTS) + 20):
        text = TEXTS[case] if case < len(TEXTS) else mutated(random, preset_text(pick(random, preset_names())))
        path.write_bytes(text.encode())
        attempt(lambda: written(load_experiment(path)), size=len(text), about=f"case {case}")


def test_values():
    known = {name: list(keys(load_config(name).data())) for name in preset_names()}
    for case, random in cases():
        name = pick(random, preset_names())
        changes = {pick(random, known[name]): pick(random, VALUES) for _ in range(random.integers(1, 4))}
        about = f"case {case}: {list(changes)} of {name}"
        attempt(lambda name=name, changes=changes: written(load_experiment(name, changes)), about=about)


def changed(data, key, value):
    return repr(make_config(override(data, key, value)))


def test_data_in_hand():
    data = load_config("digits-style").data()
    known = list(keys(data))
    for case, random in cases():
        key, value = pick(random, known), pick(random, VALUES)
        attempt(lambda key=key, value=value: changed(data, key, value), about=f"case {case}: {key}")


@pytest.mark.parametrize("bomb", [BOMB, MERGED])
def test_a_bomb_says_what_it_is(tmp_path, bomb):
    (tmp_path / "config.yaml").write_text(bomb, "utf-8")
    found = attempt(lambda: load_config(tmp_path / "config.yaml"), size=len(bomb))
    assert "more than the 10,000 values" in str(found) or "too much is merged" in str(found)
