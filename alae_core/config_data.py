"""Configurations as plain data: presets, YAML files, versions and overrides."""

import os
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from alae_core._support.dotted_keys import describe_changes, differences, has_key, move_key, override
from alae_core._support.text import short_repr, suggest
from alae_core._support.yaml_text import read_text, read_yaml
from alae_core.errors import ConfigError
from alae_core.groups import BUNDLES

#: the version of the specification that configurations, checkpoints and conformance cases follow
SPECIFICATION = 2
#: for each older version the dotted keys that the next version renamed; a file without a version has version 1
MIGRATIONS: dict[int, dict[str, str]] = {
    1: {"training.batch_size": "batch_size", "training.seed": "seed"},
}
#: the group of a YAML file with the settings of a run, which the specification ignores
RUN = "training"


def preset_names() -> list[str]:
    """Return the names of the presets, sorted."""
    return sorted(
        entry.name.removesuffix(".yaml")
        for entry in files("alae_core.presets").iterdir()
        if entry.name.endswith(".yaml")
    )


def preset_text(name: str) -> str:
    """Return the YAML of the preset `name`. Raises ConfigError, suggesting a similar name, if there is none."""
    if name not in preset_names():
        raise ConfigError(
            f"there is no preset {name!r}{suggest(name, preset_names())}; presets: {', '.join(preset_names())}"
        )
    return files("alae_core.presets").joinpath(f"{name}.yaml").read_text("utf-8")


def read_presets() -> dict[str, dict[str, Any]]:
    """Return the plain data of every preset, by name."""
    return {name: read_yaml(preset_text(name), name) for name in preset_names()}


def read_config(source: str | Path | Mapping[str, Any], overrides: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the plain data that `load_config` validates, in the current version, including the group `training`.

    `source` may be such data itself. If an override changes the specification, it is added to the description.
    """
    if isinstance(source, Mapping):
        data, name = migrate(source), str(source.get("description", ""))
    else:
        path, name = Path(source), Path(source).name
        is_file = path.suffix in (".yaml", ".yml") or os.path.exists(path)
        data = migrate(read_yaml(read_text(path) if is_file else preset_text(str(source)), str(source)), str(source))
    changed = apply_overrides(data, overrides or {})
    changes = find_changes(changed, data)
    if changes and "description" not in changes:
        changed["description"] = f"{name}, but {describe_changes(changes)}"
    return {"specification": SPECIFICATION, **changed}


def migrate(data: Mapping[str, Any], source: str = "the configuration") -> dict[str, Any]:
    """Convert plain data of any version to the keys of the current version, without the field `specification`.

    Raises ConfigError if the data's version is unknown to this version of alae.
    """
    version = data.get("specification", 1)
    if type(version) is not int or not 1 <= version <= SPECIFICATION:
        raise ConfigError(
            f"{source} follows version {short_repr(version)} of the specification, but this version of alae reads 1 to "
            f"{SPECIFICATION}: install a newer alae"
        )
    found = {key: value for key, value in data.items() if key != "specification"}
    for older in range(version, SPECIFICATION):
        for old, new in MIGRATIONS[older].items():
            found = move_key(found, old, new)
    return found


def apply_overrides(data: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return `data`, of the current version, with new values by dotted key.

    Raises ConfigError for a key that cannot be set.
    """
    found = _expand_bundle_in(data)
    for key, value in overrides.items():
        if key == "specification":
            raise ConfigError(f"{key!r} cannot be set: it is the version of the configuration")
        found = _expand_bundle_in(override(found, key, value))
    for old, new in (names for renames in MIGRATIONS.values() for names in renames.items()):
        if has_key(found, old):
            raise ConfigError(f"the key {old!r} is now called {new!r}")
    return found


def _expand_bundle_in(data: Mapping[str, Any]) -> dict[str, Any]:
    """Replace a bundle of updates in `data` by its group, so that single choices can be changed."""
    bundle = data.get("updates")
    if not isinstance(bundle, str) or bundle not in BUNDLES:
        return dict(data)
    return {**data, "updates": BUNDLES[bundle].model_dump()}


def find_changes(data: Mapping[str, Any], base: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of the specification in `data` that differ from those in `base`, by dotted key."""
    left, right = ({**_expand_bundle_in(each), RUN: None} for each in (data, base))
    bundle = next((name for name, bundle in BUNDLES.items() if left.get("updates") == bundle.model_dump()), None)
    if bundle and left["updates"] != right.get("updates"):
        left["updates"] = bundle
    return differences(left, right)
