"""Names of parts of the networks: E is a network, E.block0 a block, E.block0.conv1.kernel a weight."""

from collections.abc import Collection, Iterable

from alae_core._support.text import suggest
from alae_core.errors import ConfigError


def name_part(weight: str) -> str:
    """Return the name as a part of a weight "E/block0/conv1/kernel": E.block0.conv1.kernel."""
    return weight.replace("/", ".")


def list_parts(weights: Iterable[str]) -> list[str]:
    """Return the names of all parts of the networks with these weights, such as E, E.block0, …, in order."""
    found: dict[str, None] = {}
    for weight in weights:
        words = weight.split("/")
        found |= dict.fromkeys(".".join(words[:count]) for count in range(1, len(words) + 1))
    return list(found)


def select_weights(parts: Collection[str], weights: Iterable[str]) -> set[str]:
    """Return the weights, such as "E/block0/conv1/kernel", that belong to one of the named parts."""
    return {weight for weight in weights if not {*parts}.isdisjoint(list_parts([weight]))}


def require_parts(freeze: Collection[str], weights: Collection[str]) -> None:
    """Raise ConfigError if `freeze` names a part that the networks with these weights lack, or all of the weights."""
    known = list_parts(weights)
    for name in freeze:
        if name not in known:
            network = name.split(".")[0]
            shown = [part for part in known if part.count(".") == (network in known)]
            inside = [part for part in shown if part.split(".")[0] == network] or shown
            raise ConfigError(
                f"freeze names {name!r}, which is not a part of the networks{suggest(name, known)}; "
                f"parts: {', '.join(inside)}, and those inside them"
            )
    if freeze and len(select_weights(freeze, weights)) == len(weights):
        raise ConfigError(f"freeze names all weights ({', '.join(freeze)}), which leaves none to train")
