"""Damaged files of runs (evaluations, summaries, directions, ablations), and damaged pickles of arrays."""

import json
import pickle

import numpy as np

from alae_core import AlaeError
from alae_workbench.ablation.matrix import load_ablation
from alae_workbench.data.formats.pickles import read_pickled_arrays
from alae_workbench.evaluation.records import Evaluation, compare_runs, read_evaluation, record_evaluation
from alae_workbench.models.directions import Direction, load_direction, load_directions, save_directions
from alae_workbench.storage.directory import Run
from tests.fuzz import attempt, cases
from tests.fuzz.hostile import FILE_NAMES, TEXTS, VALUES, damage_pickle, nested_value, pick

EVALUATION = {
    **{"model": "", "step": 4, "averaged": True, "against": "digits", "own": True, "count": None},
    **{"images": {"train": 8}, "measures": {"psnr": 9.0}, "refused": {}, "asked": ()},
}


def damage_json(random, content):
    """Remove a value from JSON, replace it by one of any type, or change bytes."""
    if random.random() < 0.3:
        return damage_pickle(random, content)
    data = inside = json.loads(content)
    while inside and random.random() < 0.6 and isinstance(inside[next(iter(inside))], dict):
        inside = inside[pick(random, list(inside))] if isinstance(inside, dict) else inside
        if not isinstance(inside, dict):
            return content
    key = pick(random, [*inside, "more"])
    if random.random() < 0.3:
        inside.pop(key, None)
    else:
        inside[key] = pick(random, [*VALUES, *TEXTS, *FILE_NAMES, nested_value(random)])
    try:
        return json.dumps(data, default=str).encode("utf-8", "surrogatepass")
    except (ValueError, RecursionError):
        return content


def make_run(path):
    run = Run(path / "run")
    (run.path / "checkpoints").mkdir(parents=True)
    run.config.write_text("{}")
    return run


def test_evaluations(tmp_path):
    run = make_run(tmp_path)
    evaluation = Evaluation(**EVALUATION | {"model": str(run.path / "checkpoints" / "step-00000004")})
    path = record_evaluation(evaluation)
    content = path.read_bytes()
    for number, random in cases():
        path.write_bytes(damage_json(random, content))
        found = attempt(lambda: read_evaluation(path), path.stat().st_size, number)
        assert isinstance(found, AlaeError) or all(isinstance(value, float) for value in found.measures.values())
        attempt(lambda: compare_runs([run.path]), path.stat().st_size, number)
        attempt(lambda: record_evaluation(evaluation), path.stat().st_size, number)


def test_summaries(tmp_path):
    run = make_run(tmp_path)
    content = json.dumps({"steps": 4, "measures": {"psnr": 9.0}}).encode()
    for number, random in cases():
        run.summary.write_bytes(damage_json(random, content))
        attempt(lambda: compare_runs([run.path]), run.summary.stat().st_size, number)


def test_directions(tmp_path):
    run, draw = make_run(tmp_path), np.random.default_rng(0)
    save_directions(run, [Direction(name, draw.normal(size=5).astype(np.float32), "principal") for name in ("a", "b")])
    files = {path: path.read_bytes() for path in (run.path / "directions").iterdir()}
    for number, random in cases():
        for path, content in files.items():
            unchanged = path.suffix == ".npy" and random.random() < 0.7
            damage = damage_json if path.suffix == ".json" else damage_pickle
            path.write_bytes(content if unchanged else damage(random, content))
        attempt(lambda: load_directions(run), 1000, number)
        attempt(lambda: load_direction("a", 5, run), 1000, number)


def test_ablations(tmp_path):
    path = tmp_path / "ablation.yaml"
    for number, random in cases():
        fields = {
            "base": "digits-mlp" if random.random() < 0.8 else pick(random, [*TEXTS, *FILE_NAMES]),
            "overrides": {"seed": 3} if random.random() < 0.6 else pick(random, [{"adam.epsilon": 2}, *VALUES]),
            "variants": {"a": {}}
            if random.random() < 0.6
            else pick(random, [{"a": {"r1_gamma": "x"}}, {"a/../b": {}}, *VALUES]),
            "seeds": [0] if random.random() < 0.6 else pick(random, [[0, 0], [-1], [2**70], *VALUES]),
            "measures": ["psnr"] if random.random() < 0.6 else pick(random, [["nothing"], *VALUES]),
        }
        lines = [
            f"{name}: {value if isinstance(value, str) else json.dumps(value, default=str)}"
            for name, value in fields.items()
        ]
        path.write_text("\n".join(lines), "utf-8", "surrogatepass")

        def load():
            ablation = load_ablation(path)
            for variant in ablation.variants:
                ablation.experiment(variant, ablation.seeds[0])

        attempt(load, path.stat().st_size, number)


def test_arrays_in_pickles():
    content = pickle.dumps({"a": {"b": np.ones((3, 2), np.float32)}}, protocol=3)
    for number, random in cases():
        damaged = damage_pickle(random, content)
        attempt(lambda damaged=damaged: read_pickled_arrays(damaged), len(content), number)
