"""The contract between ALAE and a framework: the classes `Backend` and `Runner`."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from inspect import signature
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from alae_core.config import Precision
from alae_core.draws import Draws
from alae_core.errors import BackendError
from alae_core.framework import Framework, Tensor, open_framework
from alae_core.passes import require_microbatch
from alae_core.spread import Peers, Spread, count_devices

if TYPE_CHECKING:
    # Backends import this module before Keras may be imported.
    from alae_core.model import Alae


class Losses(Mapping[str, float]):
    """The losses of one step by update name. Reading a value waits for the device."""

    def __init__(self, scalars: Mapping[str, Any]) -> None:
        self._scalars = scalars

    def __getitem__(self, name: str) -> float:
        return float(self._scalars[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._scalars)

    def __len__(self) -> int:
        return len(self._scalars)

    def __or__(self, newer: "Losses") -> "Losses":
        """Return these losses, replaced by newer ones of the same updates. Does not wait for the device."""
        return Losses({**self._scalars, **newer._scalars})

    def __repr__(self) -> str:
        return f"Losses({dict(self)})"


class Runner(Protocol):
    """One training run: holds weights, Adam moments and averaged networks in the framework's own form.

    It executes `model.updates` (`alae_core.walk`) and depends on nothing else in ALAE. It trains the given model
    in place: after every step the model's networks hold the new weights, and its `w_mean` the running mean of w.

    The arrays that its methods return are copies, which the caller may change; no later call changes them.
    """

    model: "Alae"  # the model it trains
    backend: "Backend"  # the backend it runs on
    step_number: int  # training steps done
    microbatch: int | None  # images in one pass over the arrays of a batch; None computes an update in one pass

    def put(self, images: np.ndarray, labels: np.ndarray | None = None) -> Any:
        """Start copying a batch to the device, and return it for `step`. May be called from another thread.

        Args:
            images: (batch, H, W, C), uint8 or floats in [−1, 1]; uint8 becomes float on the device.
            labels: class numbers (batch,), for a model with labels.
        """

    def step(
        self,
        images: Any,
        *,
        labels: np.ndarray | None = None,
        only: str | None = None,
        draws: Mapping[str, Draws] | None = None,
    ) -> Losses:
        """Do one training step: every update in order, then the averages. Does not wait for the device.

        Networks with levels train at the level of detail of `alae_core.growth.position(config, step)`, `step` counted
        from 0: real images fade with the level, and Adam restarts as configured. A batch larger than `microbatch`
        takes several passes, which need the memory of one; the result is the same to rounding.

        Args:
            images: an array, as for `put`, or the result of `put`; at the level's resolution.
            labels: as for `put`, if `images` is an array.
            only: run this update alone; the averages and the step count still advance.
            draws: the draws of each update; by default `self.draws(step, batch)`.

        Raises ArgumentError if images or labels do not fit, or `microbatch` does not divide the batch.
        """

    def losses(
        self,
        images: np.ndarray,
        draws: Mapping[str, Draws],
        *,
        labels: np.ndarray | None = None,
        blend: float = 1.0,
    ) -> Losses:
        """Return every update's loss at the current weights, for given draws. Changes nothing.

        Images are used as given; for networks with levels their resolution selects the level of detail, and `blend`,
        0 … 1, is how far that level has faded in.
        """

    def gradients(
        self,
        update: str,
        images: np.ndarray,
        draws: Mapping[str, Draws],
        *,
        labels: np.ndarray | None = None,
        blend: float = 1.0,
    ) -> dict[str, np.ndarray]:
        """Return one update's gradient for each weight that it trains, by name; arguments as for `losses`."""

    def draws(self, step: int, count: int) -> dict[str, Draws]:
        """Return the draws of each update at training step `step` for `count` images: `alae_core.draws.draw`."""

    def noise(self, step: int, count: int) -> dict[str, list[np.ndarray]]:
        """Return the noise maps (`Draws.noise`) that the device draws from N(0, 1) for each update of a training step.

        They are a function of the run's seed, the update and the step, and independent between these. Training does
        not call this; tests and the conformance suite do. Updates that draw no noise are left out, as are all updates
        of perceptrons.
        """

    def weights(self, averaged: bool = False) -> dict[str, np.ndarray]:
        """Return every network's weights, or their running averages, by the names of `Alae.variables`."""

    def state(self) -> dict[str, np.ndarray]:
        """Everything that decides the rest of the run, independent of the framework: see `alae_core.state`."""

    def load(self, state: Mapping[str, np.ndarray]) -> None:
        """Continue exactly from `state()` of this or another backend. Raises CheckpointError if it does not fit."""


class Backend(Framework, Protocol):
    """A framework that can train ALAE. Packages register such a class as an entry point of the group "alae.backends".

    Importing the class must not import Keras: `keras_backend` is read first, and selects the framework of Keras.
    """

    name: ClassVar[str]  # the value of `--backend`
    keras_backend: ClassVar[str]  # the KERAS_BACKEND it needs

    def __init__(self, device: str | None = None, precision: Precision = "float32") -> None:
        """Prepare the framework, before Keras is imported.

        Args:
            device: "cpu", "gpu:1", …; by default the accelerator if there is one.
            precision: the precision that configurations will ask for.

        Raises BackendError if the device is absent, or the framework does not support the precision.
        """

    def versions(self) -> dict[str, str]:
        """Return the versions that a checkpoint records, by name: Keras and the framework."""

    def devices(self) -> list[str]:
        """Return every device that this framework has, as spelled for `--device`."""

    def runner(self, model: "Alae", microbatch: int | None = None) -> Runner:
        """Start a training run from the weights of `model`, on each device in passes of `microbatch` images.

        A backend that computes each update in one pass omits the parameter `microbatch`. Raises ConfigError if it does
        not divide the batches of the model's configuration (`passes.list_microbatches`).
        """


class BaseBackend(ABC):
    """Base class of a `Backend`: a subclass prepares the framework, and `engine` names the module with the rest.

    That module has the functions `input_gradient` and `compile_function` (`Framework.compile`), and the runner's class.
    It is imported on first use, because it imports Keras.
    """

    name: ClassVar[str]
    keras_backend: ClassVar[str]
    engine: ClassVar[str]  # "module:class", such as "alae_jax.runner:JaxRunner"
    # functions that write programs for other software, as "module:function", by format. A function takes a
    # `program.Program`, the path to write and metadata as text by name, and returns the versions of what it used.
    exporters: ClassVar[Mapping[str, str]] = {}
    accelerator: ClassVar[str] = "gpu"  # the framework's name for "gpu"
    #: whether it trains on several devices: `__init__` then takes a `Spread` as its third argument
    spreads: ClassVar[bool] = False
    #: a module that counts the devices for which processes are started, if the framework needs a process for each; it
    #: may start them itself: see `alae_tensorflow.launch` and `alae_torch.launch`
    launcher: ClassVar[str | None] = None
    device: str  # the device of this process, or its first one
    device_count: int = 1  # devices that train together, in all processes
    peers: Peers | None = None  # the processes that train together; None for one

    @abstractmethod
    def __init__(self, device: str | None = None, precision: Precision = "float32") -> None:
        """See `Backend`."""

    @abstractmethod
    def devices(self) -> list[str]:
        """See `Backend`."""

    def versions(self) -> dict[str, str]:
        """See `Backend`."""
        return {package: import_module(package).__version__ for package in ("keras", self.keras_backend)}

    def input_gradient(self, fn: Callable[[Tensor], Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
        """See `Framework`."""
        return self._engine().input_gradient(fn, x)

    def compile(self, fn: Callable[..., Tensor]) -> Callable[..., Tensor]:
        """See `Framework`."""
        return self._engine().compile_function(fn)

    def runner(self, model: "Alae", microbatch: int | None = None) -> Runner:
        """See `Backend`."""
        devices = count_devices(self)
        require_microbatch(model.config, microbatch, devices=devices)
        runner: Any = getattr(self._engine(), self.engine.partition(":")[2])(self, model)
        if microbatch is not None:
            # Where all devices share the arrays of a batch, a pass has images of each.
            runner.microbatch = microbatch if runner.share.is_separate else microbatch * devices
        started: Runner = runner
        return started

    def choose_device(self, device: str | None, default: str) -> str:
        """Return the device of `self.devices()` that `device` names; "gpu" is short for "gpu:0".

        Raises BackendError if there is none.
        """
        known, wanted = self.devices(), (device or default).replace("gpu", self.accelerator)
        found = next((name for name in (wanted, f"{wanted}:0") if name in known), None)
        if found is None:
            raise BackendError(f"backend {self.name!r} has no device {device!r}; it has {', '.join(known)}")
        return found

    def __repr__(self) -> str:
        versions = ", ".join(f"{name} {version}" for name, version in self.versions().items())
        return f"<backend {self.name} on {self.device}: {versions}>"

    def _engine(self) -> Any:
        return import_module(self.engine.partition(":")[0])


def load_backend(
    name: str, device: str | None = None, precision: Precision = "float32", spread: Spread | None = None
) -> Backend:
    """Open the backend `name` on `device`, by default its accelerator; Keras then runs on that framework too.

    With `spread`, its runners train on several devices of that kind, and together with other processes.

    Raises BackendError if the backend is not installed; if its framework is not (the message gives the `pip install`
    command); if Keras already runs on another framework in this process; if the device is absent; if the framework does
    not support `precision`, or the backend more than one device; if other processes cannot be joined; or if the backend
    fails, exits, or is not a class with all members of `Backend`.
    """
    return open_framework(name, device, precision, spread)


def start_runner(backend: Backend, model: "Alae", microbatch: int | None = None) -> Runner:
    """Start a training run on `backend`, which may lack the parameter `microbatch`.

    Raises BackendError if it lacks it and `microbatch` is given, and ConfigError as `Backend.runner`.
    """
    if microbatch is None:
        return backend.runner(model)
    require_passes(backend)
    return backend.runner(model, microbatch=microbatch)


def has_passes(backend: Backend) -> bool:
    """Return whether `backend` can compute a batch in several passes: whether `runner` has `microbatch`."""
    return "microbatch" in signature(backend.runner).parameters


def require_passes(backend: Backend) -> None:
    """Raise BackendError if `backend` cannot compute a batch in several passes."""
    if not has_passes(backend):
        raise BackendError(f"backend {backend.name!r} computes each batch in one pass: omit microbatch")
