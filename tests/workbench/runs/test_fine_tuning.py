"""The configuration of a run that starts from another's weights."""

from pathlib import Path

import numpy as np
import pytest

from alae_core import ArgumentError, Checkpoint, ConfigError
from alae_core.config_data import RUN
from alae_core.growth import count_shown
from alae_workbench.runs.fine_tuning import make_fine_tuning, resize
from alae_workbench.runs.origin import OpenedOrigin, Origin
from tests.conftest import tiny_config, tiny_conv_config, tiny_style_config

TRAINING = {"steps": 50, "data": "old", "labels_from": "old.csv", "margin": 1}


def open_fake(config, step=50):
    checkpoint = Checkpoint(
        path=Path("run"),
        config=config,
        step=step,
        shown=count_shown(config, step),
        backend="jax",
        versions={},
        measure=None,
        run={RUN: TRAINING},
        state={"step": np.array(step)},
    )
    return OpenedOrigin(checkpoint, Origin(path="run", step=step, sha256="0" * 64))


def test_the_new_run_has_the_settings_of_its_origin_except_labels_of_other_images():
    origin = open_fake(tiny_config())
    again, other = (make_fine_tuning(origin, changes) for changes in ({}, {"training.data": "new", "batch_size": 7}))
    assert again.config.networks == other.config.networks == origin.checkpoint.config.networks
    assert again.config.description.endswith(", fine-tuned")
    assert (again.training.steps, again.training.labels_from, again.training.margin) == (50, "old.csv", 1)
    assert (other.training.data, other.training.labels_from, other.config.batch_size) == ("new", None, 7)
    assert again.training.origin == other.training.origin == origin.record


def test_a_schedule_ends_with_the_new_run():
    origin = open_fake(tiny_config(schedule={"images": 999}))
    assert make_fine_tuning(origin, {"training.steps": 10}).config.schedule.images == 10 * 6


@pytest.mark.parametrize(
    ("step", "changes", "level", "fades"),
    [
        (7, {}, 1, [0.5, 0.0]),  # the last level is complete
        (5, {}, 1, [0.5, 0.5]),  # the last level still faded in
        (2, {}, 0, [0.0, 0.5]),
        (7, {"growth.from_level": 0}, 0, [0.0, 0.5]),
        (7, {"image": [16, 16, 2]}, 1, [0.5, 0.0, 0.5]),
        (7, {"image": [16, 16, 2], "growth.from_level": 2}, 2, [0.5, 0.5, 0.5]),
        (7, {"image": [4, 4, 2]}, 0, [0.0]),
    ],
)
def test_style_networks_start_at_the_level_that_was_reached(step, changes, level, fades):
    found = make_fine_tuning(open_fake(tiny_style_config(), step), changes).config
    assert found.growth.from_level == level
    assert [each.fade for each in found.growth.levels] == fades


def test_levels_are_for_style_networks():
    with pytest.raises(ArgumentError, match=r"from_level is 2, but only style networks .* of the family mlp"):
        make_fine_tuning(open_fake(tiny_config()), {"growth.from_level": 2})
    with pytest.raises(ConfigError, match=r"growth.from_level is 2, but the levels are 0 … 1"):
        make_fine_tuning(open_fake(tiny_style_config()), {"growth.from_level": 2})


@pytest.mark.parametrize(
    ("config", "image", "changed"),
    [
        (tiny_style_config(networks__startf=4), [16, 16, 2], {"startf": 2}),
        (tiny_style_config(networks__startf=4), [4, 4, 2], {"startf": 8}),
        (tiny_conv_config(), [16, 20, 2], {"widths": [4, 3, 8]}),
        (tiny_conv_config(networks__widths=[4, 3, 2], image=[16, 20, 2]), [8, 10, 2], {"widths": [4, 3]}),
        (tiny_config(), [8, 6, 2], {}),
    ],
)
def test_coarse_levels_keep_their_widths(config, image, changed):
    before, after = config.data()["networks"], resize(config, image)["networks"]
    assert {key: value for key, value in after.items() if value != before[key]} == changed


@pytest.mark.parametrize("image", [[9, 9, 2], [16, 16], "large", [0, 0, 2]])
def test_an_impossible_size_is_refused(image):
    with pytest.raises(ConfigError, match="image"):
        make_fine_tuning(open_fake(tiny_style_config()), {"image": image})
