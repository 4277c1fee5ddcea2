"""Every benchmark runs at its smallest size."""

import json
import os
import re
import subprocess
import sys

import pytest

from alae_core.config_data import preset_names
from tests.conftest import REPOSITORY
from tests.helpers.browser import needs_browser
from tests.helpers.pages import copy_runtime_or_skip

pytestmark = pytest.mark.slow

BACKENDS = ["jax", "torch", "tensorflow"]


def run_benchmark(*words):
    environment = {key: value for key, value in os.environ.items() if key != "KERAS_BACKEND"}
    command = [sys.executable, "-m", *words, "--quick"]
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("preset", ["digits-mlp", "digits-style", "mnist-conv"])
def test_a_training_step_is_compared_with_hand_written_code(preset, backend):
    """A step of conv networks must also give the same losses."""
    out = run_benchmark("benchmarks.step", "--preset", preset, "--backend", backend)
    assert re.search(rf"^{backend} +step .* ms .* ms +\d", out, re.MULTILINE)
    assert re.search(rf"^{backend} +arithmetic +\d+\.\d+ Gop +\d+%", out, re.MULTILINE)


COUNT = """
from importlib import import_module
import numpy as np
from torch.utils.flop_counter import FlopCounterMode
import alae_core as alae
from benchmarks.arithmetic import count_operations

alae.load_backend("torch")
for preset in ("digits-mlp", "mnist-conv"):
    config = alae.load_config(preset)
    weights = alae.build(config).weights()
    step = import_module(f"benchmarks.{config.networks.family}_torch").make_step(
        config, weights, np.zeros((4, *config.image), np.float32)
    )
    with FlopCounterMode(display=False) as counter:
        for _ in range(config.updates.every):
            step()
    ours = count_operations(config, {name: array.shape for name, array in weights.items()}, 4)
    print(ours * config.updates.every / counter.get_total_flops())
"""


def test_arithmetic_is_counted_as_pytorch_counts_it():
    environment = os.environ | {"KERAS_BACKEND": "torch"}
    command = [sys.executable, "-c", COUNT]
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    # PyTorch leaves out gradients with respect to images where the loss does not need them.
    assert all(0.96 < float(ratio) < 1.06 for ratio in done.stdout.split()), done.stdout


@pytest.mark.parametrize("backend", BACKENDS)
def test_inference_agrees_with_hand_written_code(backend):
    out = run_benchmark("benchmarks.inference", "--backend", backend)
    assert re.findall(rf"^{backend} +(\w+) ", out, re.MULTILINE) == ["encode", "generate", "reconstruct"] * 2


def test_preparing_and_loading_are_compared_with_bare_loops():
    assert re.findall(r"^ +(preparing|loading) ", run_benchmark("benchmarks.loader"), re.MULTILINE) == [
        "preparing",
        "loading",
    ]


def test_training_is_compared_with_bare_steps():
    assert "jax         training" in run_benchmark("benchmarks.loader", "--training", "--backend", "jax")


def test_checks_of_a_gpu_run_on_a_cpu(tmp_path):
    run_benchmark("benchmarks.gpu", "--out", str(tmp_path), "--minutes", "30")
    results = json.loads((tmp_path / "results.json").read_text("utf-8"))
    kinds = ("conformance", "step digits-mlp", "tests")
    assert [each["name"] for each in results] == ["devices", *(f"{kind} {b}" for kind in kinds for b in BACKENDS[:2])]
    assert all(each["code"] == 0 for each in results)
    assert "arithmetic" in results[3]["lines"][-1]


def test_peak_memory_of_preparing_and_training_is_measured():
    assert re.search(r"^ +8 MB +162 +\d+ MB +\d+ MB$", run_benchmark("benchmarks.loader", "--memory"), re.MULTILINE)


def test_the_traffic_of_every_preset_is_estimated():
    out = run_benchmark("benchmarks.scaling")
    rows = re.findall(r"^\| `(\S+)` \| \d+ \| [\d,.]+ MB \|", out, re.MULTILINE)
    assert rows == preset_names()
    assert out in (REPOSITORY / "docs" / "scaling.md").read_text("utf-8")


@pytest.mark.parametrize("backend", ["jax", "torch", "tensorflow"])
def test_two_devices_are_compared_with_one(backend):
    out = run_benchmark("benchmarks.scaling", "--measure", "--preset", "digits-mlp", "--backend", backend)
    assert re.search(rf"^{backend} +\d+\.\d+ ms +\d+\.\d+ ms +\d", out, re.MULTILINE)


@pytest.mark.parametrize("backend", ["jax", "torch", "tensorflow"])
def test_the_step_of_several_devices_is_compared_with_a_plain_one_on_one_device(backend):
    out = run_benchmark("benchmarks.overhead", "--preset", "digits-mlp", "--backend", backend)
    assert re.search(rf"^{backend} +step .* ms .* ms +\d", out, re.MULTILINE)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux resets the peak of memory")
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_the_memory_of_a_step_is_measured_for_each_number_of_passes(backend):
    out = run_benchmark("benchmarks.memory", "--preset", "digits-conv", "--backend", backend)
    rows = re.findall(rf"^\| {backend} \| (\d) \| (\d+) \| \d+ MB \|", out, re.MULTILINE)
    assert rows == [("1", "16"), ("2", "8"), ("4", "4"), ("8", "2")]


@needs_browser
def test_the_page_in_the_browser_is_measured(tmp_path):
    pytest.importorskip("onnxruntime", reason="the extra [export] is not installed")
    copy_runtime_or_skip(tmp_path / "runtime")
    out = run_benchmark("benchmarks.page")
    assert re.findall(r"^digits-mlp .* (ready|E|G) +[\d.]+ +\d+ +[\d.]+$", out, re.MULTILINE) == ["ready", "E", "G"]
