"""Backends with a fault: patched copies of alae's own, and backends that crash, hang or return nonsense.

The fixture `registered_faults` registers each class under its own name, and the suite loads it like any other backend.
Each runs in its own process, so it may patch any module.
"""

import os
import pickle
import time
from contextlib import suppress

import numpy as np

from alae_core import BackendError
from alae_jax import JaxBackend
from alae_tensorflow import TensorflowBackend
from alae_torch import TorchBackend

# ---- patched backends -----------------------------------------------------------------------------------------------

#: the (case, check, lane) that must catch each backend, by its name
KILLS = {}


def register_fault(case, check, lane="float32"):
    def register(cls):
        cls.name = cls.__name__
        KILLS[cls.__name__] = (case, check, lane)
        return cls

    return register


@register_fault("L2-leaky-gradients", "gradients")
class JaxDetachedR1(JaxBackend):
    """On JAX, R1's gradient is treated as a constant."""

    def runner(self, model):
        import jax

        from alae_jax import runner

        sound = runner.input_gradient
        runner.input_gradient = lambda fn, x: (sound(fn, x)[0], jax.lax.stop_gradient(sound(fn, x)[1]))
        return super().runner(model)


@register_fault("L2-smooth-reloaded", "gradients")
class JaxConstantWeights(JaxBackend):
    """On JAX, the compiled gradient keeps the weights of its first call."""

    def runner(self, model):
        import jax.numpy as jnp

        runner = super().runner(model)
        sound, first = runner._differentiate, {}

        def differentiate(tensors, name, batch):
            if not first:
                first.update({key: jnp.array(tensor) for key, tensor in tensors.items()})
            return sound(first, name, batch)

        runner._differentiate = differentiate
        return runner


@register_fault("L3-leaky-substeps", "displacement")
class JaxLateCount(JaxBackend):
    """On JAX, Adam's t is one too large."""

    def runner(self, model):
        from alae_core import runner
        from alae_core.optimizer import adam_step

        runner.adam_step = lambda adam, value, gradient, m, v, t: adam_step(adam, value, gradient, m, v, t + 1)
        return super().runner(model)


@register_fault("L3-leaky-run", "in_place")
class JaxHiddenWeights(JaxBackend):
    """On JAX, the model that was given is not the one trained."""

    def runner(self, model):
        from alae_jax.runner import JaxRunner

        JaxRunner._share = lambda self: None
        return super().runner(model)


@register_fault("L3-style-model", "in_place")
class JaxHiddenMean(JaxBackend):
    """On JAX, the model keeps its first running mean of w."""

    def runner(self, model):
        from alae_jax.runner import JaxRunner

        class Forgetful(JaxRunner):
            def _share(self):
                mean = model.w_mean.numpy()
                super()._share()
                model.w_mean.assign(mean)

        return Forgetful(self, model)


@register_fault("L0-leaky-contract", "draws")
class JaxSameZ(JaxBackend):
    """On JAX, every update draws the z of the first."""

    def runner(self, model):
        runner = super().runner(model)
        sound = runner.draws

        def draws(step, count):
            found = sound(step, count)
            return dict.fromkeys(found, next(iter(found.values())))

        runner.draws = draws
        return runner


@register_fault("L2-smooth-gradients", "gradients")
class TorchDetachedR1(TorchBackend):
    """On PyTorch, no graph is recorded for R1's gradient."""

    def runner(self, model):
        from alae_torch import runner

        sound = runner.input_gradient
        runner.input_gradient = lambda fn, x: (sound(fn, x)[0], sound(fn, x)[1].detach())
        return super().runner(model)


@register_fault("L3-smooth-substeps", "displacement")
class TorchEpsilon(TorchBackend):
    """On PyTorch, ε is added after bias correction, as in PyTorch's own Adam."""

    def runner(self, model):
        import torch

        fused = torch._fused_adam_
        torch._fused_adam_ = lambda *arguments, eps, **options: fused(
            *arguments, eps=model.config.adam.epsilon, **options
        )
        return super().runner(model)


@register_fault("L0-leaky-contract", "snapshot")
class TorchLiveState(TorchBackend):
    """On PyTorch, `state` returns arrays that share memory with the weights."""

    def runner(self, model):
        from alae_torch.runner import TorchRunner

        TorchRunner.to_numpy = lambda self, tensor: tensor.detach().numpy()
        return super().runner(model)


@register_fault("L0-leaky-contract", "snapshot")
class TorchKeptBatch(TorchBackend):
    """On PyTorch, `put` shares memory with the caller's arrays that are ordered by rows."""

    def runner(self, model):
        import torch

        from alae_torch.runner import TorchRunner

        TorchRunner.to_device = lambda self, array: torch.from_numpy(np.ascontiguousarray(array))
        return super().runner(model)


@register_fault("L0-leaky-contract", "snapshot")
class TorchLiveModel(TorchBackend):
    """On PyTorch, the arrays that a model's `weights` returns share memory with it."""

    def runner(self, model):
        from alae_core import model as module

        module._copy = lambda variable: variable.value.detach().numpy()
        return super().runner(model)


@register_fault("L0-leaky-contract", "snapshot")
class TorchRingOfBatches(TorchBackend):
    """On PyTorch, `put` writes over the images that were put eight batches before."""

    def runner(self, model):
        runner = super().runner(model)
        sound, ring = runner.put, []

        def put(images, labels=None):
            batch = sound(images, labels)
            if len(ring) == 8:
                batch = batch._replace(images=ring.pop(0).copy_(batch.images))
            ring.append(batch.images)
            return batch

        runner.put = put
        return runner


@register_fault("L3-smooth-counts", "displacement")
class TorchLateEpsilon(TorchBackend):
    """On PyTorch, ε is 20 % too large after 100,000 steps."""

    def runner(self, model):
        import torch

        sound = torch._fused_adam_

        def adam(*arguments, eps, **options):
            late = arguments[5][0] > 100_000
            return sound(*arguments, eps=1.2 * eps if late else eps, **options)

        torch._fused_adam_ = adam
        return super().runner(model)


@register_fault("L3-smooth-counts", "counts")
class JaxShortCounts(JaxBackend):
    """On JAX, Adam's counts have 16 bits."""

    def runner(self, model):
        from alae_jax.runner import JaxRunner

        sound = JaxRunner.to_numpy

        def to_numpy(self, tensor):
            array = sound(self, tensor)
            return np.array(array % 2**16) if array.dtype == np.int64 else array

        JaxRunner.to_numpy = to_numpy
        return super().runner(model)


@register_fault("L3-conv-run", "trajectory")
class TensorflowFirstRates(TensorflowBackend):
    """On TensorFlow, the rates of a schedule are those of the first step."""

    def runner(self, model):
        runner = super().runner(model)
        sound, first = runner.train, []

        def train(batches, stage, rates):
            first.append(rates)
            return sound(batches, stage, first[0])

        runner.train = train
        return runner


@register_fault("L1-leaky-values", "input_gradient")
class TensorflowMeanGradient(TensorflowBackend):
    """On TensorFlow, the input gradient is that of the mean, not of the sum."""

    def input_gradient(self, fn, x):
        value, gradient = super().input_gradient(fn, x)
        return value, gradient / len(x)


@register_fault("L3-leaky-substeps", "displacement")
class TensorflowUncorrected(TensorflowBackend):
    """On TensorFlow, Adam lacks bias correction."""

    def runner(self, model):
        import tensorflow as tf

        kernel = tf.raw_ops.ResourceApplyAdam
        tf.raw_ops.ResourceApplyAdam = lambda *, beta2_power, **options: kernel(beta2_power=0 * beta2_power, **options)
        return super().runner(model)


@register_fault("L3-leaky-run", "averages")
class TensorflowOtherDecay(TensorflowBackend):
    """On TensorFlow, averages have twice the half-life."""

    def runner(self, model):
        runner = super().runner(model)
        runner.config = model.config.model_copy(update={"average_halflife": 2 * model.config.average_halflife})
        return runner


# ---- faults of a process for each device, of which there are two -----------------------------------------------------


def register_process_fault(case, check):
    """Register a fault, a class without a base, for each backend that has a process for each device."""

    def register(fault):
        for kind, base, framework in (
            ("Torch", TorchBackend, "PyTorch"),
            ("Tensorflow", TensorflowBackend, "TensorFlow"),
        ):
            words = {"__doc__": f"On two processes of {framework}, {fault.__doc__}", "__module__": __name__}
            made = type(f"{kind}{fault.__name__}", (fault, base), words)
            globals()[made.__name__] = register_fault(case, check, "devices")(made)
        return fault

    return register


class ReducesSome:
    """Reduces only means for which `self.is_reduced(names)`, a set of names, is true."""

    def runner(self, model):
        runner = super().runner(model)
        sound = runner.reduce
        runner.reduce = lambda means: sound(means) if self.is_reduced(set(means)) else means
        return runner


@register_process_fault("L3-leaky-run", "displacement")
class LocalUpdate(ReducesSome):
    """the gradients of an update that trains F are not reduced."""

    def is_reduced(self, names):
        return not any(name.startswith("F/") for name in names)


@register_process_fault("L3-blended-growth", "w_mean")
class LocalMean(ReducesSome):
    """the mean of w is not reduced."""

    def is_reduced(self, names):
        return "w_mean" not in names


@register_process_fault("L3-adaptive-run", "augment_p")
class LocalP(ReducesSome):
    """p adapts to each process's images."""

    def is_reduced(self, names):
        return "separation" not in names


@register_process_fault("L3-spread-substeps", "moments")
class Undivided:
    """means are added and not divided."""

    def runner(self, model):
        runner = super().runner(model)
        sound = runner.reduce
        runner.reduce = lambda means: {name: 2 * each for name, each in sound(means).items()}
        return runner


@register_process_fault("L3-labels-fed", "trajectory")
class OtherOrder:
    """the second has its images in another order."""

    def runner(self, model):
        runner = super().runner(model)
        sound, order = runner.put, slice(None, None, -1 if self.peers.rank else 1)
        runner.put = lambda images, labels=None: sound(images[order], labels)
        return runner


@register_process_fault("L3-blended-drawn", "drawn")
class RepeatedNoise:
    """both have the noise of the first."""

    def runner(self, model):
        runner = super().runner(model)
        sound = runner.share_noise

        def share_noise(maps):
            own = runner.share
            runner.share = own._replace(part=0)
            try:
                return sound(maps)
            finally:
                runner.share = own

        runner.share_noise = share_noise
        return runner


@register_process_fault("L3-spread-substeps", "losses")
class DividedGroups:
    """D compares the images of each half of the batch."""

    def runner(self, model):
        from alae_core import shares

        shares.count_compared = lambda config: 1
        return super().runner(model)


@register_process_fault("L3-leaky-run", "displacement")
class OwnStates:
    """each starts from its own state."""

    def runner(self, model):
        self.peers.share_state = dict
        return super().runner(model)


class NothingHeld(JaxBackend):
    """Removes `stop_gradient`. Only gradients of trained networks are taken, so this has no effect and must pass."""

    name = "NothingHeld"

    def runner(self, model):
        from alae_core import alae_losses, updates

        class Ops:
            stop_gradient = staticmethod(lambda x: x)

        alae_losses.ops = updates.ops = Ops
        return super().runner(model)


# ---- broken backends, on JAX because it starts fastest --------------------------------------------------------------


class Wrapped(JaxBackend):
    """A correct backend, until `spoil` changes its runner."""

    def runner(self, model):
        runner = super().runner(model)
        self.spoil(runner)
        return runner


class Crashes(Wrapped):
    name = "Crashes"

    def spoil(self, runner):
        def losses(*arguments, **options):
            print("the last output of this process", flush=True)
            os._exit(7)

        runner.losses = losses


class Hangs(Wrapped):
    name = "Hangs"

    def spoil(self, runner):
        runner.losses = lambda *arguments, **options: time.sleep(1000)


class Raises(Wrapped):
    name = "Raises"

    def spoil(self, runner):
        def losses(*arguments, **options):
            raise RuntimeError("no kernel for this")

        runner.losses = losses


class NotANumber(Wrapped):
    name = "NotANumber"

    def spoil(self, runner):
        sound = runner.losses
        runner.losses = lambda *arguments, **options: {name: float("nan") for name in sound(*arguments, **options)}


class MissingTensor(Wrapped):
    name = "MissingTensor"

    def spoil(self, runner):
        sound = runner.gradients
        runner.gradients = lambda *arguments, **options: dict(list(sound(*arguments, **options).items())[1:])


class WrongDtype(Wrapped):
    name = "WrongDtype"

    def spoil(self, runner):
        sound = runner.state
        runner.state = lambda: {
            name: array.astype(np.float16) if array.dtype == np.float32 else array for name, array in sound().items()
        }


class NotNumPy(Wrapped):
    name = "NotNumPy"

    def spoil(self, runner):
        import jax

        sound = runner.gradients
        runner.gradients = lambda *arguments, **options: {
            name: jax.numpy.asarray(array) for name, array in sound(*arguments, **options).items()
        }


class OneDevice(JaxBackend):
    name = "OneDevice"
    spreads = False


class FailsAlone:
    """Of two processes, the second fails where the first waits for it."""

    def runner(self, model):
        runner = super().runner(model)
        sound = runner.reduce

        def reduce(means):
            if self.peers.rank:
                raise RuntimeError("no kernel for this")
            return sound(means)

        runner.reduce = reduce
        return runner


class TorchFailsAlone(FailsAlone, TorchBackend):
    name = "TorchFailsAlone"


class TensorflowFailsAlone(FailsAlone, TensorflowBackend):
    name = "TensorflowFailsAlone"


class Refuses(JaxBackend):
    """A backend that refuses every lane."""

    name = "Refuses"

    def __init__(self, device=None, precision="float32"):
        raise BackendError("this backend has no free device")


class OnlyFloat32(JaxBackend):
    name = "OnlyFloat32"

    def __init__(self, device=None, precision="float32"):
        if precision != "float32":
            raise BackendError(f"this backend has no {precision}")
        super().__init__(device, precision)


# ---- backends that try to run code in the suite's process -----------------------------------------------------------


class Trap:
    """Creates the file `$TRAP` when it is unpickled."""

    def __reduce__(self):
        return os.system, (f"touch {os.environ.get('TRAP', os.devnull)}",)


class TrapVersion(JaxBackend):
    name = "TrapVersion"

    def versions(self):
        return super().versions() | {"trap": Trap()}


class TrapDevices(JaxBackend):
    name = "TrapDevices"

    def choose_device(self, device, default):
        return "cpu:0"

    def devices(self):
        return [Trap()]


class TrapArray(Wrapped):
    name = "TrapArray"

    def spoil(self, runner):
        sound = runner.gradients
        runner.gradients = lambda *arguments, **options: {
            name: np.array([Trap()]) for name in sound(*arguments, **options)
        }


class TrapLoss(Wrapped):
    name = "TrapLoss"

    def spoil(self, runner):
        sound = runner.losses
        runner.losses = lambda *arguments, **options: dict.fromkeys(sound(*arguments, **options), Trap())


class TrapPipe(Wrapped):
    """Writes a pickle to every open file descriptor, one of which is the pipe to the suite."""

    name = "TrapPipe"

    def spoil(self, runner):
        def losses(*arguments, **options):
            for descriptor in range(3, 256):
                with suppress(OSError):
                    os.write(descriptor, pickle.dumps(("value", Trap(), "")))
            return {}

        runner.losses = losses


class NumberVersion(JaxBackend):
    name = "NumberVersion"

    def versions(self):
        return super().versions() | {"jax": 10}


class NoVersions(JaxBackend):
    name = "NoVersions"

    def versions(self):
        return 3


class NumberDevice(JaxBackend):
    name = "NumberDevice"

    def __init__(self, device=None, precision="float32"):
        super().__init__(device, precision)
        self.device = 0


class NoDevices(JaxBackend):
    name = "NoDevices"

    def devices(self):
        return "cpu:0"

    def choose_device(self, device, default):
        return "cpu:0"


class BrokenName(Wrapped):
    """Names with lone surrogates, which cannot be written to a file."""

    name = "BrokenName"

    def spoil(self, runner):
        sound = runner.gradients
        runner.gradients = lambda *arguments, **options: {
            "A\ud800" * 5000 + name: array for name, array in sound(*arguments, **options).items()
        }


class Exits(JaxBackend):
    name = "Exits"

    def __init__(self, device=None, precision="float32"):
        raise SystemExit(0)


class Interrupts(Wrapped):
    name = "Interrupts"

    def spoil(self, runner):
        def losses(*arguments, **options):
            raise KeyboardInterrupt

        runner.losses = losses


class Vanishes(JaxBackend):
    name = "Vanishes"

    def __init__(self, device=None, precision="float32"):
        os._exit(0)


class Prints(Wrapped):
    """Prints random bytes to stdout and stderr; otherwise correct."""

    name = "Prints"

    def spoil(self, runner):
        os.write(1, os.urandom(2**20))
        os.write(2, os.urandom(2**20))


class OlderXla(Wrapped):
    """Ends as XLA does at an unknown flag; correct without the flag."""

    name = "OlderXla"

    def spoil(self, runner):
        if "xla_backend_optimization_level" in os.environ.get("XLA_FLAGS", ""):
            print("Unknown flag in XLA_FLAGS: --xla_backend_optimization_level=0", flush=True)
            os._exit(1)


_SOUND = (NothingHeld, Prints, OnlyFloat32, OneDevice, OlderXla)
_USELESS = (Crashes, Hangs, Raises, NotANumber, MissingTensor, WrongDtype, NotNumPy, Refuses)
_ALONE = (TorchFailsAlone, TensorflowFailsAlone)
_LEAVING = (Exits, Vanishes, Interrupts)
_HARMFUL = (TrapVersion, TrapDevices, TrapArray, TrapLoss, TrapPipe)
_MISTYPED = (NumberVersion, NoVersions, NumberDevice, NoDevices, BrokenName)
ALL = [*KILLS, *(cls.__name__ for group in (_SOUND, _USELESS, _ALONE, _LEAVING, _HARMFUL, _MISTYPED) for cls in group)]
