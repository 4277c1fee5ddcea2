"""Ablation studies: training, skipping, continuing and summarising runs."""

import json
import os

import numpy as np
import pytest
from PIL import Image

import alae_core as alae
from alae_workbench.ablation import study
from alae_workbench.ablation.matrix import Ablation
from alae_workbench.ablation.study import Result, ablate, format_spread
from alae_workbench.runs.settings import load_experiment
from alae_workbench.storage.directory import Run
from tests.conftest import TINY
from tests.helpers.plugins import forget_plugins, write_plugins

BACKEND = os.environ.get("KERAS_BACKEND", "jax")
SMALL = {key: value for key, value in TINY.items() if key.startswith("networks")} | {
    "training.held_out": 60,
    "training.steps": 4,
    "training.checkpoint_every": 2,
}


def make_ablation(**changes):
    fields = {
        "base": "digits-mlp",
        "overrides": SMALL,
        "seeds": [0, 1],
        "variants": {"latent": {}, "autoencoder": {"algorithm": "autoencoder"}},
        "measures": ["reconstruction_error", "reciprocity_error"],
    }
    return Ablation.model_validate({**fields, **changes})


@pytest.mark.slow
def test_runs_are_trained_measured_skipped_and_continued(tmp_path, monkeypatch):
    monkeypatch.setenv("ALAE_CACHE", str(tmp_path / "cache"))
    out, messages = tmp_path / "out", []
    ablation = make_ablation()
    # As if one run had crashed after its second step.
    from alae_workbench.runs.train import train

    train("digits-mlp", overrides={**SMALL, "seed": 0}, backend=BACKEND, out=out / "latent" / "seed-0", observers=[])
    for path in (out / "latent" / "seed-0" / "checkpoints").glob("step-*4"):
        path.rename(path.with_name("elsewhere"))
    result = ablate(ablation, out, backend=BACKEND, tell=messages.append)
    assert messages[0] == f"{out}: 4 runs, 0 of them finished"
    assert sorted(message.rpartition(" ")[0].rpartition(", ")[2] for message in messages[1:]) == [
        f"{number} of" for number in range(1, 5)
    ]
    straight = train("digits-mlp", overrides={**SMALL, "seed": 0}, backend=BACKEND, out=tmp_path / "s", observers=[])
    continued = alae.load_checkpoint(out / "latent" / "seed-0").state
    assert all(
        np.array_equal(array, continued[name]) for name, array in alae.load_checkpoint(straight.path).state.items()
    )
    errors = result.numbers["latent"]["reconstruction_error"]
    assert errors[0] == pytest.approx(straight.measures["reconstruction_error"], rel=1e-5)
    assert len(errors) == 2
    assert set(result.numbers["autoencoder"]) == {"reconstruction_error"}, "without a prior there is no reciprocity"
    written = json.loads((out / "results.json").read_text("utf-8"))
    assert written["numbers"] == {variant: dict(values) for variant, values in result.numbers.items()}
    assert written["ablation"]["base"] == "digits-mlp"
    assert (out / "table.md").read_text("utf-8") == result.to_markdown()
    # Finished runs are skipped.
    before = {path: path.stat().st_mtime_ns for path in out.glob("*/*/checkpoints/*")}
    assert ablate(ablation, out, backend=BACKEND, tell=messages.append).numbers == result.numbers
    assert messages[-1] == f"{out}: 4 runs, 4 of them finished"
    assert {path: path.stat().st_mtime_ns for path in out.glob("*/*/checkpoints/*")} == before
    # Runs at the same time give the same table.
    fewer = make_ablation(seeds=[0])
    together = ablate(fewer, tmp_path / "together", backend=BACKEND, jobs=2, tell=[].append)
    assert together.to_markdown() == ablate(fewer, out, backend=BACKEND, tell=[].append).to_markdown()
    # Other settings are refused, and the error names them.
    other = make_ablation(overrides={**SMALL, "adam.learning_rate": 0.5})
    with pytest.raises(
        alae.AlaeError, match=r"seed-0 was made with adam.learning_rate=0.001, but now .*=0.5 is requested"
    ):
        ablate(other, out, backend=BACKEND, tell=messages.append)
    assert load_experiment(Run(out / "latent" / "seed-1").config).config.seed == 1


@pytest.mark.slow
def test_variants_use_plugins(tmp_path, monkeypatch):
    """Each run is trained in its own process, which has to load them."""
    forget_plugins(monkeypatch, tmp_path / "cache")
    record = alae.load_plugin(write_plugins(tmp_path)["least_squares"])
    ablation = make_ablation(seeds=[0], variants={"squares": {"objective": "least_squares"}})
    result = ablate(ablation, tmp_path / "out", backend=BACKEND, tell=[].append)
    assert set(result.numbers["squares"]) == {"reconstruction_error", "reciprocity_error"}
    assert alae.load_checkpoint(tmp_path / "out" / "squares" / "seed-0").config.plugins == (record,)


@pytest.mark.slow
def test_unreadable_images_are_skipped_on_request(tmp_path, monkeypatch):
    """The run is trained in this process."""
    monkeypatch.setattr(study, "train_cells", lambda train, cells, jobs: (train(cell) or cell for cell in cells))
    draw, images = np.random.default_rng(0), tmp_path / "images"
    images.mkdir()
    for number in range(12):
        Image.fromarray(draw.integers(0, 256, (8, 8), np.uint8)).save(images / f"{number}.png")
    (images / "torn.png").write_bytes(b"torn")
    settings = {**SMALL, "training.data": str(images), "training.held_out": 4}
    fields = {"overrides": settings, "seeds": [0], "variants": {"latent": {}}, "measures": ["reconstruction_error"]}
    ablation, options = make_ablation(**fields), {"backend": BACKEND, "tell": [].append}
    with pytest.raises(alae.AlaeError, match="--skip-bad"):
        ablate(ablation, tmp_path / "out", **options)
    assert (
        len(ablate(ablation, tmp_path / "out", skip_bad=True, **options).numbers["latent"]["reconstruction_error"]) == 1
    )


def test_the_table_has_means_and_deviations():
    numbers = {"a": {"x": [1.0, 2.0], "y": [250.0]}, "b": {"x": [0.5, 0.5]}}
    result = Result(make_ablation(variants={"a": {}, "b": {}}, table=["x", "y", "absent"]), numbers)
    assert result.to_markdown() == (
        "| | x | y |\n| --- | --- | --- |\n| a | 1.500 ± 0.707 | 250 |\n| b | 0.500 ± 0.000 | – |\n"
    )
    assert format_spread([]) == "–"
