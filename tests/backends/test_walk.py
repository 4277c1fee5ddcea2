"""The training step: the order of a framework's operations, and reduction over several devices."""

import numpy as np
import pytest

import alae_core as alae
from tests.conftest import random_images, slow, tiny_config, tiny_style_config
from tests.tolerances import DISPLACEMENT, FLOAT32, STYLE

UPDATES = ("discriminator", "generator", "reciprocity")


def start(backend, config):
    return backend.runner(alae.build(config))


def trained_weights(runner, update):
    return {name for name in runner.model.variables if name.split("/")[0] in runner.model.update(update).trains}


@pytest.mark.slow
def test_means_over_a_batch_are_reduced_once_between_gradient_and_adam(backend, monkeypatch):
    """Before each update the mean of w is reduced, then its loss and all gradients together."""
    runner, calls = start(backend, tiny_style_config()), []

    def record_calls(name):
        sound = getattr(runner, name)

        def call(*arguments):
            calls.append((name, set(arguments[0])))
            return sound(*arguments)

        monkeypatch.setattr(runner, name, call)

    for name in ("evaluate", "gradient", "reduce", "apply", "average"):
        record_calls(name)
    runner.step(random_images(4, (4, 4, 2)))
    expected = []
    for update in UPDATES:
        networks = list(runner.model.update(update).trains)
        expected += ["evaluate", "reduce", "gradient", "reduce", *["apply"] * len(networks)]
    assert [name for name, _ in calls] == [*expected, "average"]
    # The weights that a step trains at its level.
    reduced = [names for name, names in calls if name == "reduce"]
    at_level_0 = {name for name in runner.model.variables if runner.model.family.takes_part(name, 0)}
    for means, update in zip(reduced[::2], UPDATES, strict=True):
        assert means == {"w_mean"}
        gradients = reduced[1 + 2 * UPDATES.index(update)]
        assert gradients == {"loss"} | (trained_weights(runner, update) & at_level_0)


@pytest.mark.parametrize("update", UPDATES)
def test_adam_gets_reduced_gradients(backend, monkeypatch, update):
    """Doubled gradients quadruple the moment v, exactly, because 2 is a power of two."""
    single, double = (start(backend, tiny_config()) for _ in range(2))
    monkeypatch.setattr(double, "reduce", lambda means: {name: 2 * mean for name, mean in means.items()})
    images = random_images()
    losses = [runner.step(images, only=update)[update] for runner in (single, double)]
    assert losses[1] == 2 * losses[0]
    one, other = single.state(), double.state()
    moments = [name for name in one if name.startswith("adam/") and "/v/" in name and one[name].any()]
    assert {name.split("/")[2] for name in moments} == set(single.model.update(update).trains)
    for name in moments:
        assert np.array_equal(other[name], 4 * one[name]), name


@pytest.mark.slow
def test_the_running_mean_uses_the_reduced_mean(backend, monkeypatch):
    single, double = (start(backend, tiny_style_config()) for _ in range(2))
    monkeypatch.setattr(double, "reduce", lambda means: {name: 2 * mean for name, mean in means.items()})
    for runner in (single, double):
        runner.step(random_images(4, (4, 4, 2)), only="discriminator")
    np.testing.assert_allclose(double.model.mean_of_w(), 2 * single.model.mean_of_w(), **FLOAT32)


def half(batch, part):
    """Return one device's half of a batch; noise maps of batch 1 are in both halves."""
    count = batch.images.shape[0]

    def of(tensor):
        return None if tensor is None else tensor[part] if tensor.shape[0] == count else tensor

    draws = batch.draws
    noise = draws.noise and [of(map) for map in draws.noise]
    draws = draws._replace(z=of(draws.z), mix=of(draws.mix), augment=of(draws.augment), noise=noise)
    return batch._replace(images=of(batch.images), labels=of(batch.labels), draws=draws)


class TwoHalves:
    """Makes a runner work like two devices, each with half of every batch, which communicate in `reduce`."""

    def __init__(self, runner):
        self.evaluate, self.gradient = runner.evaluate, runner.gradient
        self.waiting = {}
        runner.evaluate, runner.gradient, runner.reduce = self.evaluate_halves, self.gradient_halves, self.reduce

    def evaluate_halves(self, tensors, fn, update, batch):
        mine, theirs = (self.evaluate(tensors, fn, update, half(batch, part)) for part in halves(batch))
        self.waiting = {"separation" if fn is update.separation else "w_mean": theirs}
        return mine

    def gradient_halves(self, tensors, update, batch):
        mine, theirs = (self.gradient(tensors, update, half(batch, part)) for part in halves(batch))
        self.waiting = {"loss": theirs[0], **theirs[1]}
        return mine

    def reduce(self, means):
        assert means.keys() == self.waiting.keys()
        return {name: (mean + self.waiting[name]) / 2 for name, mean in means.items()}


def halves(batch):
    middle = batch.images.shape[0] // 2
    return slice(None, middle), slice(middle, None)


@pytest.mark.parametrize(
    "kind",
    ["classes", *slow("perceptrons", "styles", "augmented")],
)
def test_two_halves_reduced_equal_the_whole_batch(backend, kind):
    """Losses, running mean and gradients are means over the batch, so the mean of two halves equals the whole."""
    # A large ε makes Adam's step smooth in the gradient; otherwise rounding decides the sign of steps near zero.
    if kind in ("styles", "augmented"):
        choice = {"augment": {"p": 0.5, "target": 0.1, "images": 24}} if kind == "augmented" else {}
        config, shape, labels = tiny_style_config(adam__epsilon=1e-2, **choice), (4, 4, 2), None
    else:
        classes = 3 if kind == "classes" else 0
        config, shape = tiny_config(adam__epsilon=1e-2, labels=classes), (4, 3, 2)
        labels = np.array([0, 1, 2, 2, 1, 1]) if classes else None
    whole, split = start(backend, config), start(backend, config)
    TwoHalves(split)
    # Not at initial weights, where constant maps amplify rounding.
    before, rng = whole.state(), np.random.default_rng(0)
    before |= {
        name: array + 0.3 * rng.normal(size=array.shape).astype(np.float32)
        for name, array in before.items()
        if name.startswith("weights/")
    }
    for runner in (whole, split):
        runner.load(before)
    for step in range(2):
        images = random_images(6, shape, seed=step)
        expected, found = (dict(runner.step(images, labels=labels)) for runner in (whole, split))
        for update, loss in expected.items():
            np.testing.assert_allclose(found[update], loss, **STYLE)
    found = split.state()
    for name, array in whole.state().items():
        if array.any() and not name.endswith("/t"):
            moved, error = np.linalg.norm(array - before[name]), np.linalg.norm(found[name] - array)
            assert error <= DISPLACEMENT["rtol"] * moved + DISPLACEMENT["atol"] * array.size**0.5, name


@pytest.mark.slow
def test_p_adapts_by_the_reduced_separation(backend, monkeypatch):
    config = tiny_config(augment={"p": 0.5, "target": 0.6, "images": 60})
    for mean, expected in ((0.7, 0.6), (0.5, 0.4)):
        runner = start(backend, config)
        monkeypatch.setattr(runner, "reduce", lambda means, mean=mean: {n: 0 * v + mean for n, v in means.items()})
        runner.step(random_images())
        np.testing.assert_allclose(runner.state()["augment_p"], expected, **FLOAT32)


def test_updates_without_a_batch_are_skipped(backend):
    runner = start(backend, tiny_style_config())
    before = runner.state()
    runner.step(random_images(4, (4, 4, 2)), only="reciprocity")
    after = runner.state()
    counts = {name: after[name] - before[name] for name in before if name.endswith("/t")}
    assert {name.split("/")[1] for name, count in counts.items() if count} == {"reciprocity"}
    assert not np.array_equal(before["w_mean"], after["w_mean"])
