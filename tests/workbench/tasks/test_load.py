"""Opening a model from Python."""

import pytest

import alae_workbench as bench
from alae_core import ArgumentError


def test_a_model_is_opened_from_a_summary_or_a_path_and_stays_open(run, opened):
    for model in (run, run.path, str(run.checkpoint)):
        assert bench.load(model).checkpoint.path == opened.checkpoint.path
    assert bench.load(opened) is opened


def test_options_do_not_change_an_open_model(opened):
    for options in ({"lod": 1}, {"averaged": False}, {"backend": "jax"}):
        with pytest.raises(ArgumentError, match="the model is open already"):
            bench.load(opened, **options)


def test_the_model_that_ships_with_alae_is_the_default():
    from alae_workbench.tasks.load import locate

    assert locate(None) == locate("shipped") == bench.SHIPPED
