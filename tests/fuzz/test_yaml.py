"""Configurations in hostile YAML, and with absurd values."""

import pytest

from alae_core import load_config, preset_names
from alae_core._support.dotted_keys import override
from alae_core.config import make_config
from alae_core.config_data import preset_text
from alae_core.sizes import require_room
from alae_workbench.runs.settings import load_experiment
from tests.fuzz import attempt, cases
from tests.fuzz.hostile import BOMB, MERGED, TEXTS, VALUES, mutate, pick


def use(experiment):
    """Do everything with an experiment short of building its networks."""
    require_room(experiment.config, training=True)
    return experiment.to_yaml(), repr(experiment.config), experiment.steps


def dotted_keys(data, prefix=""):
    """Yield every dotted key of nested data, including groups."""
    pairs = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in pairs:
        yield f"{prefix}{key}"
        yield from dotted_keys(value, f"{prefix}{key}.")


def test_texts(tmp_path):
    path = tmp_path / "config.yaml"
    for case, random in cases(at_least=len(TEXTS) + 20):
        text = TEXTS[case] if case < len(TEXTS) else mutate(random, preset_text(pick(random, preset_names())))
        path.write_bytes(text.encode())
        attempt(lambda: use(load_experiment(path)), size=len(text), about=f"case {case}")


def test_values():
    known = {name: list(dotted_keys(load_config(name).data())) for name in preset_names()}
    for case, random in cases():
        name = pick(random, preset_names())
        changes = {pick(random, known[name]): pick(random, VALUES) for _ in range(random.integers(1, 4))}
        about = f"case {case}: {list(changes)} of {name}"
        attempt(lambda name=name, changes=changes: use(load_experiment(name, changes)), about=about)


def override_repr(data, key, value):
    return repr(make_config(override(data, key, value)))


def test_dictionaries():
    data = load_config("digits-style").data()
    known = list(dotted_keys(data))
    for case, random in cases():
        key, value = pick(random, known), pick(random, VALUES)
        attempt(lambda key=key, value=value: override_repr(data, key, value), about=f"case {case}: {key}")


@pytest.mark.parametrize("bomb", [BOMB, MERGED])
def test_exponential_yaml_is_refused_by_size(tmp_path, bomb):
    (tmp_path / "config.yaml").write_text(bomb, "utf-8")
    error = attempt(lambda: load_config(tmp_path / "config.yaml"), size=len(bomb))
    assert "more than the 10,000 values" in str(error) or "merged groups are too large" in str(error)
