"""Runs whose device has too little memory for a step: one line with the microbatch to try, and exit code 2."""

import os

import numpy as np
import pytest

import alae_core as alae
from alae_workbench.runs.out_of_memory import is_out_of_memory
from alae_workbench.runs.request import RunRequest
from alae_workbench.runs.train import train
from tests.conftest import call_alae, tiny_config, tiny_style_config
from tests.helpers.runs import SMALL_RUN, make_set_options

BACKEND = os.environ.get("KERAS_BACKEND", "jax")


class OutOfMemoryError(RuntimeError):
    """PyTorch's error of a GPU, by name."""


class ResourceExhaustedError(Exception):
    """TensorFlow's error, by name."""


class JaxRuntimeError(RuntimeError):
    """JAX' error, by name."""


ERRORS = {
    "torch, GPU": OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    "torch, CPU": RuntimeError("[enforce fail at alloc_cpu.cpp:119] DefaultCPUAllocator: can't allocate memory: you"),
    "jax": JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 34359738368 bytes."),
    "tensorflow": ResourceExhaustedError("OOM when allocating tensor with shape[4096,64,64,64]"),
    "numpy": MemoryError("Unable to allocate 2.00 GiB for an array"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_the_errors_of_frameworks_are_recognised(name):
    assert is_out_of_memory(ERRORS[name])


@pytest.mark.parametrize(
    "error",
    [RuntimeError("shapes differ"), OSError(12, "Cannot allocate memory"), alae.AlaeError("out of memory"), KeyError()],
)
def test_other_errors_are_left_alone(error):
    assert not is_out_of_memory(error)


@pytest.fixture
def fail(backend, tmp_path, monkeypatch):
    """Return a function that trains a configuration whose first step raises an error, and returns the message."""

    def fail(config, error, **settings):
        def step(self, *arguments, **options):
            raise error

        overrides = {"training.steps": 9, "training.held_out": 4}
        overrides |= {f"training.{name}": value for name, value in settings.items()}
        pixels = np.random.default_rng(0).integers(0, 256, (20, *config.image), np.uint8)
        monkeypatch.setattr("alae_core.runner.BaseRunner.step", step)
        request = RunRequest(config=config, data=pixels, backend=backend, out=tmp_path / "run", overrides=overrides)
        with pytest.raises(alae.AlaeError) as caught:
            train(request, observers=[])
        assert caught.value.__cause__ is error
        return str(caught.value).replace(str(tmp_path), "DIR").removeprefix(backend.device)

    return fail


@pytest.mark.parametrize("name", ERRORS)
def test_the_message_gives_the_batch_and_the_next_microbatch(fail, name):
    assert fail(tiny_config(batch_size=12), ERRORS[name]) == (
        " has too little memory for step 0 of batches of 12 images: set training.microbatch to 6, which computes each "
        "batch in passes of 6 images: alae train --resume DIR/run --set training.microbatch=6"
    )


def test_the_next_microbatch_is_at_most_half_of_the_last(fail):
    assert " batches of 12 images in passes of 4: set training.microbatch to 2," in fail(
        tiny_config(batch_size=12), MemoryError(), microbatch=4
    )


def test_passes_of_one_image_cannot_be_divided(fail):
    assert fail(tiny_style_config(), MemoryError(), microbatch=1) == (
        " has too little memory for step 0 of batches of 4 images in passes of 1: make the images or the networks "
        "smaller"
    )


@pytest.mark.parametrize("more", [["--out", "run"], ["--dry-run"]])
def test_the_command_ends_with_one_line_and_code_2(tmp_path, monkeypatch, more):
    def step(self, *arguments, **options):
        raise ERRORS["jax"]

    monkeypatch.setattr("alae_core.runner.BaseRunner.step", step)
    words = ["train", "--preset", "digits-mlp", "--steps", 4, "--backend", BACKEND, *make_set_options(SMALL_RUN)]
    code, _, err = call_alae(tmp_path, *words, *more)
    assert code == 2
    assert " has too little memory for step 0 of batches of 16 images: set training.microbatch to 8" in err
    assert "Traceback" not in err
