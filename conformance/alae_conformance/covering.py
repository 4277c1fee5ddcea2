"""The covering array: small configurations in which every two choices of a configuration occur together.

    python -m alae_conformance.covering     add rows to cases/v2/array.json for pairs that no row has yet

A row is a fixture and a case of level 2. Its inputs are drawn when it runs, and its expected outputs computed by the
reference, so it has no frozen files. Some rows run in the profile standard, all in full.
"""

import random
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from itertools import combinations, product
from string import ascii_lowercase
from typing import Any

from pydantic import Field, TypeAdapter

from alae_conformance import case_files

#: the values of each discrete choice, by a name: the dotted key of the configuration, unless `overrides_of` explains it
FACTORS: dict[str, tuple[Any, ...]] = {
    "networks.family": ("mlp", "conv", "style"),
    "algorithm": ("alae", "autoencoder", "vae", "bigan"),
    "objective": ("logistic", "wasserstein", "hinge", "relativistic"),
    "reciprocity": ("latent", "data", "both", "none", "z"),
    "updates.adam": ("own", "shared"),
    "updates.distance": ("sum", "mean"),
    "updates.target": ("followed", "constant"),
    "updates.trains_F": (False, True),
    "updates.reciprocity": ("own", "adversarial"),
    "labels": (0, 3),
    "channels": (1, 2, 3),
    "augment": ("none", "fixed", "adaptive"),
    "r1_gamma": (10.0, 0.0),
    "r2_gamma": (0.0, 4.0),
    "networks.output": ("linear", "tanh"),
    "networks.normalize_w": (False, True),
    "networks.equalized": (False, True),
    "networks.pixel_norm": (False, True),
    "networks.activate_output": (False, True),
    "networks.encoder": ("style", "plain"),
    "networks.discriminator": ("latent", "images"),
    "networks.style_mixing": (0.9, 0.0),
    "precision": ("float32", "float64", "bfloat16"),
}
#: the families and algorithms that have a choice; all have the others
_FAMILIES = {
    "networks.output": ("mlp", "conv"),
    "networks.normalize_w": ("mlp", "conv"),
    "networks.equalized": ("mlp",),
    "networks.pixel_norm": ("mlp", "conv"),
    "networks.activate_output": ("mlp", "conv"),
    "networks.encoder": ("style",),
    "networks.discriminator": ("style",),
    "networks.style_mixing": ("style",),
}
_ALGORITHMS = {
    "objective": ("alae", "bigan"),
    "reciprocity": ("alae",),
    "updates.distance": ("alae", "autoencoder"),
    "updates.target": ("alae",),
    "updates.trains_F": ("alae",),
    "updates.reciprocity": ("alae",),
    "augment": ("alae",),
    "r1_gamma": ("alae", "bigan"),
    "r2_gamma": ("alae",),
    "networks.normalize_w": ("alae", "autoencoder"),
    "networks.pixel_norm": ("alae",),
    "networks.activate_output": ("alae",),
    "networks.discriminator": ("alae",),
    "networks.style_mixing": ("alae",),
}
#: the algorithms of style networks that have a choice, if other families have it with more of them
_ALGORITHMS_OF_STYLE = {"labels": ("alae",)}
#: pairs of values that no configuration, or no lane of the suite, has
_EXCLUDED = {frozenset({("networks.family", "style"), ("precision", "bfloat16")})}
#: the weight of the loop in w in all rows, and the schedule of γ in those with R1, so that every choice meets both
_WEIGHT, _SCHEDULE = 0.75, {"images": 40, "constant": 0.1, "r1_gamma_end": 3.0}
#: rows in the profile standard
_STANDARD = 4

#: a value for each choice that a configuration has
Choices = Mapping[str, Any]
#: two choices with their values
Pair = frozenset[tuple[str, Any]]


class Row(case_files.ClosedModel):
    """A configuration of the array.

    `attempt` is the first at which inputs were drawn that rounding does not push across kinks; it saves the search.
    """

    id: str = Field(pattern="^array[a-z]{2}$")
    attempt: int = Field(ge=0)
    choices: dict[str, Any]


@cache
def rows() -> dict[str, Row]:
    """Return the rows by id. Raises SuiteError if the file breaks a rule."""
    return {row.id: row for row in case_files.read_json(TypeAdapter(list[Row]), "array.json")}


def is_in_standard(row: Row) -> bool:
    """Return whether a row runs in the profile standard: the first ones, which are perceptrons or conv networks."""
    quick = [each.id for each in rows().values() if each.choices["networks.family"] != "style"]
    return row.id in quick[:_STANDARD]


def has(choices: Choices, factor: str) -> bool:
    """Return whether configurations of this family and algorithm have a choice."""
    families = _FAMILIES.get(factor, FACTORS["networks.family"])
    algorithms = _ALGORITHMS.get(factor, FACTORS["algorithm"])
    if choices["networks.family"] == "style":
        algorithms = _ALGORITHMS_OF_STYLE.get(factor, algorithms)
    return choices["networks.family"] in families and choices["algorithm"] in algorithms


def pairs_of(choices: Choices) -> set[Pair]:
    """Return the pairs that a configuration has."""
    own = [(factor, choices[factor]) for factor in FACTORS if has(choices, factor)]
    return {frozenset(pair) for pair in combinations(own, 2)}


def all_pairs() -> set[Pair]:
    """Return every pair that some configuration has."""
    found: set[Pair] = set()
    for family in FACTORS["networks.family"]:
        for algorithm in FACTORS["algorithm"]:
            base = {"networks.family": family, "algorithm": algorithm}
            own = [factor for factor in FACTORS if has(base, factor)]
            for one, other in combinations(own, 2):
                lefts, rights = (((base[name],) if name in base else FACTORS[name]) for name in (one, other))
                for left, right in product(lefts, rights):
                    choices = base | {one: left, other: right}
                    if not {frozenset(pair) for pair in combinations(choices.items(), 2)} & _EXCLUDED:
                        found.add(frozenset({(one, left), (other, right)}))
    return found


def overrides_of(choices: Choices) -> dict[str, Any]:
    """Return the overrides of the suite's base configuration that make a row's configuration."""
    own = {factor: choices[factor] for factor in FACTORS if has(choices, factor)}
    family, channels, augment = own.pop("networks.family"), own.pop("channels"), own.pop("augment", "none")
    own.pop("precision")
    by_family: dict[str, dict[str, Any]] = {
        "mlp": {"family": "mlp", "F": {"hidden": [6]}, "G": {"hidden": [7, 5]}, "E": {"hidden": [6, 5]}},
        "conv": {"family": "conv", "widths": [4, 3], "residual": 1, "hidden": 6, "F": {"hidden": [6]}},
        "style": {"family": "style", "startf": 2, "maxf": 3, "mapping_layers": 2},
    }
    networks = by_family[family]
    normed, activated = (own.pop(f"networks.{field}", False) for field in ("pixel_norm", "activate_output"))
    if family != "style":
        networks |= {"D": {"hidden": [5]}, "normalize_w": False}
        fields = {"pixel_norm": normed, "activate_output": activated}
        networks |= {name: networks[name] | fields for name in "FGED" if name in networks}
    if family == "conv" and normed:
        # One choice more: a residual block at every resolution.
        networks["residual"] = len(networks["widths"])
    if activated and not normed:
        # One choice more: E and D alone are trained, so that the generator's update trains nothing.
        own["freeze"] = ["F", "G"]
    # Some configurations need z and w of one size.
    alike = own.get("reciprocity") == "z" or own["algorithm"] in ("vae", "bigan")
    networks |= {"z": 5 if alike else 4, "w": 5}
    for factor in [factor for factor in own if factor.startswith("networks.")]:
        networks[factor.removeprefix("networks.")] = own.pop(factor)
    updates = {
        factor.removeprefix("updates."): own.pop(factor) for factor in list(own) if factor.startswith("updates.")
    }
    sides = {"mlp": [4, 6], "conv": [8, 10], "style": [8, 8]}[family]
    if own["algorithm"] == "alae":
        updates["weight"] = _WEIGHT
    if own["algorithm"] == "vae":
        # Its evidence is a sum over pixels whatever this says.
        updates["distance"] = "mean"
    if own.get("r1_gamma"):
        own["schedule"] = _SCHEDULE
    found = own | {"networks": networks, "updates": updates, "image": [*sides, channels], "batch_size": 4}
    if family == "style":
        found["growth"] = {"levels": [{"images": 8}, {"images": 16}]}
    if augment != "none":
        found["augment"] = {"p": 0.6} if augment == "fixed" else {"p": 0.4, "target": 0.5, "images": 40}
    return found


def cover(known: Iterable[Choices] = (), seed: int = 0) -> Iterator[Choices]:
    """Yield configurations until every pair that `known` ones lack has occurred: each time, the one of 40 random ones
    with most new pairs.
    """
    rng, missing = random.Random(seed), all_pairs().difference(*map(pairs_of, known))
    while missing:
        ordered = _sorted(missing)
        candidates = [_complete(rng, sorted(rng.choice(ordered))) for _ in range(40)]
        best = max(candidates, key=lambda choices: len(pairs_of(choices) & missing))
        missing -= pairs_of(best)
        yield best


def _sorted(pairs: set[Pair]) -> list[Pair]:
    return sorted(pairs, key=lambda pair: str(sorted(pair, key=str)))


def _complete(rng: random.Random, pair: list[tuple[str, Any]]) -> Choices:
    """Return random choices that have a pair."""
    while True:
        choices = {factor: rng.choice(values) for factor, values in FACTORS.items()} | dict(pair)
        if all(has(choices, factor) for factor, _ in pair) and not pairs_of(choices) & _EXCLUDED:
            return {factor: choices[factor] for factor in FACTORS if has(choices, factor)}


def main() -> None:
    """Find new rows and the attempts at which their inputs are steady, and write them after the others."""
    from alae_conformance.case import cases
    from alae_conformance.drawing import find_steady_attempt
    from alae_conformance.fixture import array_fixture, fixtures
    from alae_conformance.freeze import write_json

    found = list(rows().values())
    first, path = len(found), case_files.HOME / "array.json"
    for number, choices in enumerate(cover([row.choices for row in found]), first):
        name = f"array{ascii_lowercase[number // 26]}{ascii_lowercase[number % 26]}"
        found.append(Row(id=name, attempt=0, choices=dict(choices)))
    write_json(path, [row.model_dump() for row in found])
    # Whether inputs are steady depends on the cases of their fixture, which are read from the file.
    for cached in (rows, fixtures, cases):
        cached.cache_clear()
    for number, row in enumerate(found[first:], first):
        attempt, _ = find_steady_attempt(array_fixture(row))
        found[number] = row.model_copy(update={"attempt": attempt})
        print(found[number].id, found[number].attempt, row.choices, flush=True)
    write_json(path, [row.model_dump() for row in found])
    write_json(case_files.HOME / "manifest.json", case_files.make_manifest())


if __name__ == "__main__":
    main()
