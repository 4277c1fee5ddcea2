"""The model that ships with alae: its size, card, examples and directions, and the rounding of its weights."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import alae_core as alae
from alae_workbench.models.shipped import SHIPPED, locate_model
from tests.conftest import content
from tests.tolerances import HALF_WEIGHTS

#: maximum size of the folder in bytes
MOST = 3_000_000


@pytest.fixture(scope="module")
def checkpoint():
    return alae.load_checkpoint(SHIPPED)


def test_it_is_opened_without_a_path_or_by_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert locate_model(None) == locate_model(Path("shipped")) == SHIPPED
    assert locate_model(Path("other")) == Path("other")
    (tmp_path / "shipped").mkdir()
    assert locate_model(Path("shipped")) == Path("shipped"), "a run of this name comes first"


def test_it_is_small_and_holds_averaged_float16_weights(checkpoint):
    assert sum(map(len, content(SHIPPED).values())) <= MOST
    weights = {name: array.dtype for name, array in checkpoint.state.items() if name != "step"}
    assert all(name.startswith("averages/") and dtype == np.float16 for name, dtype in weights.items())


def test_nothing_in_it_names_a_folder_of_the_machine_it_was_trained_on(checkpoint):
    assert "/" not in (checkpoint.run["training"]["data"] or "")
    texts = [file for name, file in content(SHIPPED).items() if name.endswith((".md", ".yaml", ".json"))]
    assert not any(folder in text for text in texts for folder in (b"/home", b"/tmp", b"/work", b"/root", b"/Users"))


def test_its_card_agrees_with_its_manifest_and_its_evaluation_is_complete(checkpoint):
    from alae_workbench.runs.export import format_card

    card = checkpoint.run["card"]
    assert (SHIPPED / "CARD.md").read_text("utf-8") == format_card(checkpoint, card)
    assert card["measures"].keys() >= {"reconstruction_error", "reciprocity_error"}
    assert card["minutes"] > 0
    assert card["credit"]


def test_its_settings_are_those_of_its_checkpoint(checkpoint):
    from alae_workbench.runs.settings import load_experiment, read_training

    experiment = load_experiment(SHIPPED / "config.yaml")
    assert (experiment.config, experiment.training) == (checkpoint.config, read_training(checkpoint))


def test_it_has_directions_for_its_w(checkpoint):
    from alae_workbench.models.directions import load_directions
    from alae_workbench.storage.directory import Run

    found = load_directions(Run.find(SHIPPED))
    assert len(found) >= 5
    assert {len(each.vector) for each in found} == {checkpoint.config.networks.w}


def test_its_samples_are_images_and_its_reconstructions_resemble_the_examples(backend):
    from alae_workbench.models.opening import open_model
    from alae_workbench.models.sampling import sample

    opened = open_model(SHIPPED, backend=backend.name)
    x, _ = opened.read_images()
    samples = sample(opened.model, 16)
    assert samples.std(axis=0).mean() > 0.1, "samples differ"
    assert abs(samples.mean() - x.mean()) < 0.2
    measured = opened.checkpoint.run["card"]["measures"]["reconstruction_error"]
    error = np.square(x - opened.model.reconstruct(x)).mean()
    # 48 of the images that the card's number was measured on.
    assert measured / 1.5 < error < measured * 1.5


def test_rounding_weights_to_float16_changes_images_little(backend, checkpoint):
    model = checkpoint.model()
    x = model.generate(model.map(model.sample_prior(16)))
    # As far from the stored weights as float32 weights that round to them can be: half a unit of the last place.
    draw = np.random.default_rng(0)
    weights = {
        name: weight + draw.uniform(-0.5, 0.5, weight.shape).astype(np.float32) * np.spacing(weight.astype(np.float16))
        for name, weight in model.weights().items()
    }
    model.set_weights(weights)
    moved = model.generate(model.map(model.sample_prior(16)))
    assert not np.array_equal(x, moved)
    np.testing.assert_allclose(moved, x, **HALF_WEIGHTS)


def test_finding_it_imports_no_framework():
    code = (
        "import sys; from alae_workbench.models.shipped import SHIPPED; from alae_core import load_checkpoint\n"
        "load_checkpoint(SHIPPED); print(*{'jax', 'torch', 'tensorflow', 'keras'} & sys.modules.keys())"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "\n"
