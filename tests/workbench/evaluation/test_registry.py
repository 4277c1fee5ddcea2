"""The table of measures: complete, resolvable by name and group, and read without Keras or NumPy."""

import subprocess
import sys

import pytest

import alae_core as alae
from alae_workbench.evaluation.registry import MEASURES, SPACES, load, measures_due, resolve_measures


def test_every_row_and_space_refers_to_something_that_exists(backend):
    """A row that refers to a missing function would fail this test."""
    for name, measure in MEASURES.items():
        assert measure.name == name
        assert callable(load(measure.function)), name
        assert set(measure.networks) <= set("FGED"), name
    for name, reference in SPACES.items():
        assert load(reference).name == name


def test_measures_are_selected_by_name_or_group():
    assert resolve_measures(["psnr"]) == ["psnr"]
    assert resolve_measures(["similarity", "psnr"]) == ["psnr", "ssim"]
    assert {MEASURES[name].group for name in resolve_measures(["probes"])} == {"probes"}
    with pytest.raises(
        alae.AlaeError, match=r"no measure 'psnt'; did you mean 'psnr'\?; see `alae measures`; groups: .*spread.*"
    ):
        resolve_measures(["psnt"])


def test_the_end_of_a_run_takes_the_measures_of_reports_and_checkpoints_too():
    reports, checkpoints, end = (set(measures_due(when)) for when in ("report", "checkpoint", "end"))
    assert reports == {"reciprocity_error"}
    assert checkpoints == {"reconstruction_error", "overfitting"}
    baselines = {"mean_image_error", "nearest_image_error"}
    assert end == reports | checkpoints | baselines | {"nearest_neighbour_w", "nearest_neighbour_pixels"}


def test_measures_that_need_large_networks_are_taken_on_request_only():
    for measure in MEASURES.values():
        assert (measure.when == "request") == bool({"weights", "package"} & set(measure.needs)), measure.name


def test_every_fid_protocol_has_its_own_name():
    names = {m.name for m in MEASURES.values() if m.group == "inception" and "_inception_" not in m.name}
    samples = {
        f"{name}50k_{resize}" for name in ("fid", "kid", "precision", "recall") for resize in ("legacy", "clean")
    }
    assert names == samples | {"rfid_legacy", "rfid_clean"}


def test_the_table_is_read_without_keras_and_numpy():
    code = (
        "import sys, alae_workbench.evaluation.registry as r; r.resolve_measures(['fid50k_clean']);"
        "print([name for name in ('keras', 'numpy', 'pydantic', 'jax', 'torch', 'tensorflow') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
