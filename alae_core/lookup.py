"""Looking up algorithms, families of networks and objectives by name: alae's own, and those of plug-ins."""

from collections.abc import Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import Any, NamedTuple

from alae_core._support.text import short_repr, suggest
from alae_core.algorithms import Algorithm
from alae_core.errors import ConfigError
from alae_core.families import FamilyDefinition
from alae_core.groups import Settings
from alae_core.objectives import Objective
from alae_core.plugin_code import (
    PluginRecord,
    given_plugins,
    load_entry,
    make_record,
    require_plugins,
    tables_of,
)
from alae_core.plugin_kinds import ALGORITHM, FAMILY, OBJECTIVE, Kind


def installed_plugins(kind: Kind) -> dict[str, EntryPoint]:
    """Return the entry points of installed packages for one kind, by name, sorted. Packages are not imported."""
    return {entry.name: entry for entry in sorted(entry_points(group=kind.group)) if entry.name not in kind.own}


def find_algorithm(name: str, plugins: Sequence[PluginRecord] = ()) -> Algorithm:
    """Return the algorithm called `name`, of alae or of a plug-in; see `find_row`."""
    return find_row(ALGORITHM, name, plugins)[0]


def find_family(name: str, plugins: Sequence[PluginRecord] = ()) -> FamilyDefinition:
    """Return the family of networks called `name`, of alae or of a plug-in; see `find_row`."""
    return find_row(FAMILY, name, plugins)[0]


def find_objective(name: str, plugins: Sequence[PluginRecord] = ()) -> Objective:
    """Return the objective called `name`, of alae or of a plug-in; see `find_row`."""
    return find_row(OBJECTIVE, name, plugins)[0]


def find_row(
    kind: Kind, name: str, plugins: Sequence[PluginRecord] = (), source: str = "the configuration"
) -> tuple[Any, PluginRecord | None]:
    """Find what alae or a plug-in defines under a name.

    Args:
        kind: the kind of thing.
        name: its name. alae's own names come first, then those of `plugins`, of plug-ins given to `load_plugin`, the
            newest first, and of installed packages.
        plugins: the plug-ins that a configuration records.
        source: names the configuration in errors.

    Returns:
        the value, and the record of the plug-in that defines it, or None if that is alae.

    Raises ConfigError, listing the known names, for an unknown name, and PluginError if a plug-in cannot be loaded.
    """
    if name in kind.own:
        return kind.own[name], None
    require_plugins(plugins, source)
    for record in (*plugins, *reversed(given_plugins())):
        rows = tables_of(record)[kind.name]
        if name in rows:
            return rows[name], record
    installed = installed_plugins(kind)
    if name in installed:
        return load_entry(kind, installed[name])
    others = [name for record in given_plugins() for name in tables_of(record)[kind.name]]
    others = list(dict.fromkeys([*others, *installed]))
    listed = f"of plug-ins: {', '.join(others)}" if others else "one of your own comes with --plugin (docs/your-own.md)"
    table = kind.table.lower()
    hint = suggest(name, [*kind.own, *others])
    raise ConfigError(
        f"{source}: there is no {kind.name} {short_repr(name)}{hint}; {table}: {', '.join(kind.own)}; {listed}"
    )


class Choice(NamedTuple):
    """The parts of a configuration that plug-ins decide.

    Attributes:
        types: the types of the groups `networks`, `algorithm_settings` and `objective_settings`, by field; only those
            that differ from alae's own.
        plugins: the plug-ins that the configuration uses.
    """

    types: dict[str, type[Settings]]
    plugins: tuple[PluginRecord, ...]


def choose_plugins(data: Mapping[str, Any], source: str) -> Choice:
    """Find the algorithm, family and objective that plain data of a configuration names; values of other types are
    left to its validation.

    Raises ConfigError as `find_row`, and if a group of settings is given to an algorithm or objective that has none.
    """
    recorded = data.get("plugins") or ()
    if not isinstance(recorded, (list, tuple)):
        raise ConfigError(f"{source}: plugins is {short_repr(recorded)}, but must be a list")
    records = [each if isinstance(each, PluginRecord) else make_record(each, f"{source}: plugins") for each in recorded]
    types: dict[str, type[Settings]] = {}
    used: list[PluginRecord] = []
    networks = data.get("networks")
    family = networks.get("family") if isinstance(networks, Mapping) else getattr(networks, "family", None)
    algorithm, objective = data.get("algorithm", "alae"), data.get("objective", "logistic")
    for kind, name in ((ALGORITHM, algorithm), (FAMILY, family), (OBJECTIVE, objective)):
        if not isinstance(name, str):
            continue
        row, record = find_row(kind, name, records, source)
        field = f"{kind.name}_settings"
        if kind is FAMILY:
            types |= {"networks": row.settings} if record else {}
        elif row.settings:
            types[field] = row.settings
        elif data.get(field):
            raise ConfigError(
                f"{source}: {field} is {short_repr(data[field])}, but the {kind.name} {name} has none: omit it"
            )
        used += [record] if record and record not in used else []
    return Choice(types, tuple(used))
