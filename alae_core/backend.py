"""The contract between ALAE and a framework, and how plug-ins that fulfil it are found."""

import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from alae_core._support.text import short_repr
from alae_core.config import Precision
from alae_core.errors import AlaeError, BackendError

if TYPE_CHECKING:
    from alae_core.latents import Draws
    from alae_core.model import Alae

Tensor = Any
GROUP = "alae.backends"
_OWN = ("jax", "torch", "tensorflow")


class Losses(Mapping[str, float]):
    """The losses of one step by update name; a value waits for the device only when it is read."""

    def __init__(self, scalars: Mapping[str, Any]) -> None:
        self._scalars = scalars

    def __getitem__(self, name: str) -> float:
        return float(self._scalars[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._scalars)

    def __len__(self) -> int:
        return len(self._scalars)

    def __repr__(self) -> str:
        return f"Losses({dict(self)})"


class Runner(Protocol):
    """One training run: holds weights, Adam moments and averaged networks where the framework wants them.

    It walks `model.updates` (`alae_core.walk`) and knows nothing else of ALAE. It trains the model that it was given in
    place: after every step that model's networks hold the new weights, and its `w_mean` the running mean of w.
    """

    model: "Alae"  # what it trains
    backend: "Backend"  # what it runs on
    step_number: int  # training steps done

    def put(self, images: np.ndarray, labels: np.ndarray | None = None) -> Any:
        """Start moving a batch to the device; `step` takes the result. May be called from another thread.

        Args:
            images: (batch, H, W, C), uint8 or floats in [−1, 1]; bytes become floats on the device.
            labels: class numbers (batch,), for a model with labels.
        """

    def step(
        self,
        images: Any,
        *,
        labels: np.ndarray | None = None,
        only: str | None = None,
        draws: "Mapping[str, Draws] | None" = None,
    ) -> Losses:
        """One training step: every update in order, then the averages. Nothing in it waits for the device.

        Networks that grow train at the level of detail where `alae_core.growth.position(config, step)` is, of which
        `step` counts from 0: the images fade as the level does, and Adam starts anew where it says so.

        Args:
            images: an array, as for `put`, or what `put` returned; of the level's resolution.
            labels: as for `put`, where `images` is an array.
            only: the one update to run in this step; averages and the count of steps move all the same.
            draws: what each update draws, by default `self.draws(step, batch)`.
        """

    def losses(
        self,
        images: np.ndarray,
        draws: "Mapping[str, Draws]",
        *,
        labels: np.ndarray | None = None,
        blend: float = 1.0,
    ) -> Losses:
        """Every update's loss at the present weights, given its draws; nothing moves.

        Images are taken as they are; for networks that grow their resolution says at which level of detail, and `blend`
        how far that has faded in.
        """

    def gradients(
        self,
        update: str,
        images: np.ndarray,
        draws: "Mapping[str, Draws]",
        *,
        labels: np.ndarray | None = None,
        blend: float = 1.0,
    ) -> dict[str, np.ndarray]:
        """The gradient of one update's loss by the name of each weight it trains there; as for `losses`."""

    def draws(self, step: int, count: int) -> "dict[str, Draws]":
        """What each update draws at training step `step` for `count` images: `alae_core.latents.draws`."""

    def noise(self, step: int, count: int) -> dict[str, list[np.ndarray]]:
        """The maps, as `Draws.noise` has them, that the device draws from N(0, 1) for each update of a training step.

        The run's seed, the update and the step decide them; others give independent numbers. No step needs this: it is
        for looking at what steps draw. An update that draws none is left out, and so is every one of perceptrons.
        """

    def weights(self, averaged: bool = False) -> dict[str, np.ndarray]:
        """Every network's weights, or their running averages, by the names of `Alae.variables`."""

    def state(self) -> dict[str, np.ndarray]:
        """All that decides the rest of the run, free of any framework: the arrays of `alae_core.state`."""

    def load(self, state: Mapping[str, np.ndarray]) -> None:
        """Go on exactly from `state()`, of this or another backend. Raises CheckpointError where it does not fit."""


class Backend(Protocol):
    """A framework that can train ALAE. Plug-ins register a class of this kind as an entry point of "alae.backends".

    Importing the plug-in must not import Keras: `keras_backend` is read first, and decides what Keras becomes.
    """

    name: ClassVar[str]  # what `--backend` calls it
    keras_backend: ClassVar[str]  # the KERAS_BACKEND it needs
    device: str  # where it computes, in the framework's own words

    def __init__(self, device: str | None = None, precision: Precision = "float32") -> None:
        """Make the framework ready, before Keras is imported.

        Args:
            device: "cpu", "gpu:1", …; by default the accelerator where there is one.
            precision: what configurations will ask for.

        Raises:
            BackendError: there is no such device, or the framework cannot compute so.
        """

    def versions(self) -> dict[str, str]:
        """The versions a checkpoint records: Keras and the framework, by name."""

    def devices(self) -> list[str]:
        """Every device this framework sees, as `--device` spells them."""

    def input_gradient(self, fn: Callable[[Tensor], Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
        """(fn(x), d sum(fn(x)) / dx), itself differentiable."""

    def compile(self, fn: Callable[..., Tensor]) -> Callable[..., Tensor]:
        """The same function, compiled for each new shape of its arguments: nested dictionaries and lists of tensors.

        `fn` is pure, and nobody differentiates what it returns. A framework that has nothing to compile returns `fn`,
        or one that keeps no record for gradients.
        """

    def runner(self, model: "Alae") -> Runner:
        """Start a training run from the weights that `model` holds."""


class BaseBackend(ABC):
    """A `Backend` that readies its framework, and leaves the rest to the module and class named by `engine`.

    That module has the functions `input_gradient` and `compiled` (see `Backend.compile`), and the runner's class; it is
    imported when first needed, for it imports Keras.
    """

    name: ClassVar[str]
    keras_backend: ClassVar[str]
    engine: ClassVar[str]  # such as "alae_jax.runner:JaxRunner"
    accelerator: ClassVar[str] = "gpu"  # the framework's own word for what a person calls gpu
    device: str

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
        """See `Backend`."""
        return self._engine().input_gradient(fn, x)

    def compile(self, fn: Callable[..., Tensor]) -> Callable[..., Tensor]:
        """See `Backend`."""
        return self._engine().compiled(fn)

    def runner(self, model: "Alae") -> Runner:
        """See `Backend`."""
        return getattr(self._engine(), self.engine.partition(":")[2])(self, model)

    def chosen(self, device: str | None, default: str) -> str:
        """The one of `self.devices()` that `device` means, "gpu" being "gpu:0". Raises BackendError for none."""
        known, wanted = self.devices(), (device or default).replace("gpu", self.accelerator)
        found = next((name for name in (wanted, f"{wanted}:0") if name in known), None)
        if found is None:
            raise BackendError(f"backend {self.name!r} sees no device {device!r}; it sees {', '.join(known)}")
        return found

    def __repr__(self) -> str:
        versions = ", ".join(f"{name} {version}" for name, version in self.versions().items())
        return f"<backend {self.name} on {self.device}: {versions}>"

    def _engine(self) -> Any:
        return import_module(self.engine.partition(":")[0])


#: the backend that `load_backend` opened last in this process
_opened: list[Backend] = []


def backend_in_use() -> Backend | None:
    """The backend opened last in this process, or the one for the framework that Keras runs on; None for no such."""
    if not _opened:
        import keras

        name = keras.backend.backend()
        return load_backend(name) if name in installed_backends() else None
    return _opened[-1]


def installed_backends() -> dict[str, EntryPoint]:
    """Every registered plug-in by name, alae's own first; nothing is imported."""
    found = {entry.name: entry for entry in entry_points(group=GROUP)}
    order = [*(name for name in _OWN if name in found), *sorted(found.keys() - set(_OWN))]
    return {name: found[name] for name in order}


def find_backend(name: str) -> EntryPoint:
    """The registered plug-in `name`; nothing is imported. Raises BackendError, naming those there are, for none."""
    plugins = installed_backends()
    if name not in plugins:
        raise BackendError(f"there is no backend {name!r}; installed plug-ins: {', '.join(plugins) or 'none'}")
    return plugins[name]


def load_backend(name: str, device: str | None = None, precision: Precision = "float32") -> Backend:
    """The backend plug-in `name`, on `device` or its accelerator; Keras then runs on that framework too.

    Raises:
        BackendError: no such plug-in; its framework is not installed (the `pip install` that brings it is named);
            Keras already runs on another framework in this process; there is no such device; the framework cannot
            compute in `precision`; or the plug-in is no class that has what a `Backend` has, or fails, or exits.
    """
    entry = find_backend(name)
    try:
        plugin = _class_of(entry)
        _select_keras(name, plugin.keras_backend)
        backend = plugin(device, precision)
        if not isinstance(getattr(backend, "device", None), str):
            raise BackendError(f"{_called(entry)} says no `device` once it is open: see docs/write-a-backend.md")
    except AlaeError:
        raise
    except (Exception, SystemExit) as error:
        if isinstance(error, ModuleNotFoundError) and error.name:
            how = f"pip install 'alae[{name}]'" if name in _OWN else f"pip install {error.name}"
            raise BackendError(f"backend {name!r} needs {error.name}, which is not installed: {how}") from error
        raise BackendError(f"{_called(entry)} cannot be loaded: {type(error).__name__}: {error}") from error
    _opened[:] = [backend]
    return backend


def _class_of(entry: EntryPoint) -> type[Backend]:
    plugin = entry.load()
    if not isinstance(plugin, type):
        raise BackendError(
            f"{_called(entry)} is {short_repr(plugin)}, but should be a class: see docs/write-a-backend.md"
        )
    texts = [name for name in ("name", "keras_backend") if not isinstance(getattr(plugin, name, None), str)]
    methods = ("versions", "devices", "input_gradient", "compile", "runner")
    missing = [*texts, *(name for name in methods if not callable(getattr(plugin, name, None)))]
    if missing:
        raise BackendError(f"{_called(entry)} lacks {', '.join(missing)}: see docs/write-a-backend.md")
    return plugin


def _called(entry: EntryPoint) -> str:
    return f"backend {entry.name!r}, the plug-in {entry.value},"


def default_backend() -> str:
    """The backend of whoever names none: KERAS_BACKEND, or the first framework that is installed."""
    # alae_core has set it unless the user had; numpy stands for no framework.
    return os.environ["KERAS_BACKEND"].replace("numpy", "jax")


def _select_keras(name: str, keras_backend: str) -> None:
    if "keras" in sys.modules:
        running = sys.modules["keras"].backend.backend()
        if running != keras_backend:
            raise BackendError(
                f"backend {name!r} needs Keras on {keras_backend}, but it already runs on {running} in this process: "
                f"set KERAS_BACKEND={keras_backend} before Python starts, or call load_backend({name!r}) before build"
            )
    os.environ["KERAS_BACKEND"] = keras_backend
