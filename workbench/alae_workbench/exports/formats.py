"""The formats of exported models: the backend that writes each, and the packages it needs."""

from dataclasses import dataclass
from importlib.util import find_spec
from typing import cast

from alae_core import AlaeError, ArgumentError, load_backend
from alae_core.backend import BaseBackend


@dataclass(frozen=True)
class Format:
    """A format of programs.

    Attributes:
        backend: the backend that writes it; its `exporters` have the function.
        ending: of the files.
        packages: packages that writing and checking need, beside the backend's.
        extra: the extra of alae that has them.
    """

    backend: str
    ending: str
    packages: tuple[str, ...] = ()
    extra: str | None = None


#: every format by its name
FORMATS = {
    "onnx": Format("torch", ".onnx", ("onnx", "onnxscript", "onnxruntime"), "export"),
    "stablehlo": Format("jax", ".stablehlo"),
    "torch": Format("torch", ".pt2"),
    # Directories, which have no ending.
    "saved_model": Format("tensorflow", ""),
    "litert": Format("tensorflow", ".tflite"),
}


def open_exporter(name: str) -> tuple[Format, BaseBackend]:
    """Return a format by name, and the backend that writes it, opened on the CPU.

    Raises:
        ArgumentError: the format is unknown.
        AlaeError: a package that it needs is not installed.
        BackendError: as `load_backend`.
    """
    if name not in FORMATS:
        raise ArgumentError("format", f"is {name}; it must be one of {', '.join(FORMATS)}")
    format_ = FORMATS[name]
    if missing := [package for package in format_.packages if find_spec(package) is None]:
        raise AlaeError(
            f"the format {name} needs {', '.join(missing)}, which is not installed: pip install 'alae[{format_.extra}]'"
        )
    # Those of alae, which all have `exporters`.
    return format_, cast(BaseBackend, load_backend(format_.backend, "cpu"))
