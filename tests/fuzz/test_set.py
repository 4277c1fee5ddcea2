"""`--set KEY=VALUE` with any text."""

from alae_cli.options import parse_overrides
from alae_workbench.runs.settings import load_experiment
from tests.fuzz import attempt, cases
from tests.fuzz.hostile import TEXTS, mutate, pick

KEYS = [
    *(
        "image",
        "image.0",
        "labels",
        "networks",
        "networks.family",
        "networks.z",
        "networks.F.hidden",
        "networks.F.hidden.0",
    ),
    *(
        "networks.startf",
        "growth",
        "growth.levels",
        "growth.levels.0.images",
        "growth.levels.-1",
        "batch_size",
        "updates",
    ),
    *(
        "updates.adam",
        "adam",
        "adam.learning_rate",
        "seed",
        "training",
        "training.steps",
        "training.batch_size",
        "algorithm",
    ),
    *(
        "specification",
        "specification.x",
        "description",
        "",
        ".",
        "a..b",
        "x" * 3000,
        "9" * 5000,
        "image." + "9" * 5000,
    ),
    *("\0", "\n", "💥", "training.data", "precision", "objective.x", "٣", "image.²"),
]


def random_assignment(random):
    key, value = pick(random, KEYS), pick(random, TEXTS)
    whole = f"{key}={value}"
    return whole if random.random() < 0.7 else mutate(random, whole)


def test_set():
    for case, random in cases():
        preset = pick(random, ["digits-mlp", "digits-style"])
        words = [random_assignment(random) for _ in range(random.integers(1, 3))]
        attempt(
            lambda p=preset, w=words: load_experiment(p, parse_overrides(w)).to_yaml(), about=f"case {case}: {preset}"
        )
