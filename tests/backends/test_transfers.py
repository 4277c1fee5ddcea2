"""A training step reads nothing from the device, so that the host does not wait for it."""

import keras
import pytest

import alae_core as alae
from alae_core.growth import position
from tests.conftest import random_images, slow, tiny_config, tiny_style_config

CONFIGS = {
    "perceptrons": lambda: tiny_config(augment={"target": 0.1, "images": 200}),
    "style": tiny_style_config,
}
#: methods of PyTorch's tensors that copy numbers to the host
READS = {"item", "tolist", "numpy", "cpu", "__array__", "__bool__", "__float__", "__int__", "__index__"}


def step_on_jax(runner, batch):
    """Trace a step: traced tensors have no values, so reading one raises an error."""
    import jax

    def step(tensors, batch):
        runner.tensors = tensors
        losses = runner.step(batch)
        return runner.tensors, losses._scalars

    jax.eval_shape(step, runner.tensors, batch)


def step_on_tensorflow(runner, batch):
    """Trace a step, as on JAX, but with the batch as a constant."""
    import tensorflow as tf

    tf.function(lambda: runner.step(batch)._scalars, autograph=False).get_concrete_function()


def step_on_torch(runner, batch):
    """Take a step that cannot read its tensors, except Adam's counts on the host."""
    from torch.overrides import TorchFunctionMode

    on_host = {tensor.data_ptr() for name, tensor in runner.tensors.items() if name.endswith("/t")}

    class Unreadable(TorchFunctionMode):
        def __torch_function__(self, function, types, arguments=(), options=None):
            name = getattr(function, "__name__", "")
            if name in READS and arguments[0].data_ptr() not in on_host:
                raise TypeError(f"a step calls {name} of a tensor on the device")
            return function(*arguments, **(options or {}))

    # The first step traces graphs.
    runner.step(batch)
    with Unreadable():
        runner.step(batch)


STEPS = {"jax": step_on_jax, "tensorflow": step_on_tensorflow, "torch": step_on_torch}


def start(backend, config):
    runner, here = backend.runner(alae.build(config)), position(config, 0)
    return runner, runner.put(random_images(here.stage.batch_size, runner.networks.image_shape(here.view)))


@pytest.mark.parametrize("name", ["perceptrons", *slow("style")])
def test_a_step_reads_nothing_from_the_device(backend, name):
    STEPS[keras.backend.backend()](*start(backend, CONFIGS[name]()))


def test_a_step_that_reads_a_loss_is_noticed(backend):
    runner, batch = start(backend, tiny_config())
    sound = runner.train

    def train(*arguments):
        losses = sound(*arguments)
        assert float(losses["generator"]) is not None
        return losses

    runner.train = train
    with pytest.raises((TypeError, NotImplementedError)):
        STEPS[keras.backend.backend()](runner, batch)
