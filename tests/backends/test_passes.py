"""Steps in several passes on the backend under test: the same as steps in one pass, to rounding."""

import numpy as np
import pytest

import alae_core as alae
from alae_core.growth import position
from tests.conftest import slow, tiny_config, tiny_conv_config, tiny_style_config
from tests.tolerances import PASSES_LOSS, PASSES_LOSS_STYLE, PASSES_MOVEMENT, PASSES_MOVEMENT_STYLE

STEPS = 20
#: a large ε, because Adam with a small one turns the rounding of gradients near zero into whole steps; and steps that
#: are large compared to the rounding of weights
SMOOTH = {
    "adam__epsilon": 1e-2,
    "adam__warmup": 0.0,
    "adam__learning_rate": 3e-3,
    "average_halflife": 50.0,
}
ADAPTIVE = {"augment": {"p": 0.5, "target": 0.3, "images": 40}}
LEVELS = [{"images": 40}, {"images": 80, "batch_size": 4, "fade": 0.8}]
#: configurations and the images in a pass
CONFIGS = {
    "perceptrons": (tiny_config(labels=3, **SMOOTH, **ADAPTIVE), 2),
    "shared": (tiny_config(updates="official", objective="relativistic", r2_gamma=3.0, batch_size=4, **SMOOTH), 1),
    # At the rate of the others the losses of these networks grow, and with them their rounding.
    "conv": (
        tiny_conv_config(schedule={"images": 60, "r1_gamma_end": 1.0}, **SMOOTH | {"adam__learning_rate": 1e-3}),
        3,
    ),
    "styles": (tiny_style_config(batch_size=8, growth__levels=LEVELS, **SMOOTH, **ADAPTIVE), 2),
    "on images": (
        tiny_style_config(
            batch_size=8,
            growth__levels=LEVELS,
            networks__encoder="plain",
            networks__discriminator="images",
            **SMOOTH,
        ),
        4,
    ),
    **{name: (tiny_config(algorithm=name, networks__z=7, **SMOOTH), 3) for name in ("autoencoder", "vae", "bigan")},
}


def start(backend, config, microbatch):
    """Return a runner with weights that are not the initial ones, at which constant maps amplify rounding."""
    runner, rng = backend.runner(alae.build(config), microbatch=microbatch), np.random.default_rng(0)
    state = {
        name: array + 0.3 * rng.normal(size=array.shape) if name.startswith("weights/") else array
        for name, array in runner.state().items()
    }
    runner.load(state)
    return runner


def train(runner, steps=STEPS):
    """Return the losses of each step by update, and the arrays that steps move, by their group in the state."""
    config, rng, losses = runner.model.config, np.random.default_rng(1), []
    before = runner.state()
    for _ in range(steps):
        here = position(config, runner.step_number)
        count, shape = here.stage.batch_size, runner.model.image_shape(here.view)
        labels = rng.integers(config.labels, size=count) if config.labels else None
        losses.append(dict(runner.step(rng.integers(256, size=(count, *shape), dtype=np.uint8), labels=labels)))
    moved: dict[str, list[np.ndarray]] = {}
    for name, after in runner.state().items():
        moved.setdefault(name.split("/")[0], []).append(np.ravel(after - before[name]).astype(np.float64))
    return losses, {group: np.concatenate(parts) for group, parts in moved.items() if group != "step"}


@pytest.mark.parametrize("name", ["perceptrons", *slow(*[name for name in CONFIGS if name != "perceptrons"])])
def test_passes_equal_the_whole_batch(backend, name):
    config, microbatch = CONFIGS[name]
    (whole, moved), (parts, moved_in_parts) = (train(start(backend, config, size)) for size in (None, microbatch))
    loss_limit, limit = PASSES_LOSS, PASSES_MOVEMENT
    if config.growth is not None:
        loss_limit, limit = PASSES_LOSS_STYLE, PASSES_MOVEMENT_STYLE
    assert [losses.keys() for losses in whole] == [losses.keys() for losses in parts]
    for losses, others in zip(whole, parts, strict=True):
        for update, loss in losses.items():
            assert others[update] == pytest.approx(loss, rel=loss_limit, abs=loss_limit), update
    for group, movement in moved.items():
        assert np.linalg.norm(movement) > 0, group
        difference = np.linalg.norm(moved_in_parts[group] - movement) / np.linalg.norm(movement)
        assert difference < limit, group


@pytest.mark.slow
def test_a_run_continues_with_other_passes(backend):
    """The state does not depend on the size of a pass."""
    config, _ = CONFIGS["perceptrons"]
    runners = [start(backend, config, size) for size in (None, 3)]
    train(runners[0], 2)
    for runner in (runners[1], backend.runner(alae.build(config), microbatch=6)):
        runner.load(runners[0].state())
        losses, _ = train(runner, 1)
        assert all(np.isfinite(loss) for loss in losses[0].values())


def test_a_batch_that_passes_do_not_divide_is_refused(backend):
    runner = backend.runner(alae.build(tiny_config()), microbatch=3)
    with pytest.raises(alae.ArgumentError, match="microbatch is 3, which does not divide a batch of 4: use 1, 2 or 4"):
        runner.step(np.zeros((4, 4, 3, 2), np.float32))
    assert runner.step_number == 0
    with pytest.raises(alae.ConfigError, match="microbatch is 4, which does not divide batches of 6 images"):
        backend.runner(alae.build(tiny_config()), microbatch=4)
