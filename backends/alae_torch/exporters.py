"""Programs written by PyTorch: ONNX, and its own exported programs."""

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from alae_core.program import Program

# Rows of the examples that programs are traced with. With 1 row, PyTorch would take the batch for a constant.
_ROWS = 3


def write_onnx(program: Program, path: Path, metadata: Mapping[str, str]) -> dict[str, str]:
    """Write a program as ONNX, with a dynamic batch; return the versions of the format and of its writers."""
    import onnx
    import onnxscript

    inputs = [port.name for port in program.inputs]
    with _quiet():
        written = torch.onnx.export(
            _Module(program),
            _make_examples(program),
            dynamo=True,
            dynamic_shapes=(_list_dynamic_axes(program),),
            input_names=inputs,
            output_names=[program.output.name],
            verbose=False,
        )
    if written is None:
        raise TypeError("torch.onnx.export returned no program")
    model = written.model
    model.graph.name, model.graph.doc_string = program.name, program.meaning
    model.metadata_props.update(metadata)
    written.save(path)
    return {
        "opset": str(model.opset_imports[""]),
        "torch": torch.__version__,
        "onnx": onnx.__version__,
        "onnxscript": onnxscript.__version__,
    }


def write_torch(program: Program, path: Path, metadata: Mapping[str, str]) -> dict[str, str]:
    """Write a program by `torch.export`, with a dynamic batch and metadata beside it; return the version."""
    with _quiet():
        exported = torch.export.export(
            _Module(program), _make_examples(program), dynamic_shapes=(_list_dynamic_axes(program),)
        )
        torch.export.save(exported, path, extra_files={f"{key}.txt": value for key, value in metadata.items()})
    return {"torch": torch.__version__}


class _Module(torch.nn.Module):
    def __init__(self, program: Program) -> None:
        super().__init__()
        self.program = program

    def forward(self, *inputs: torch.Tensor) -> Any:
        return self.program.function(*inputs)


def _make_examples(program: Program) -> tuple[torch.Tensor, ...]:
    return tuple(
        torch.zeros([_ROWS if size is None else size for size in port.shape], dtype=getattr(torch, port.dtype))
        for port in program.inputs
    )


def _list_dynamic_axes(program: Program) -> tuple[dict[int, torch.export.Dim], ...]:
    batch = torch.export.Dim("batch", min=1)
    return tuple({axis: batch for axis, size in enumerate(port.shape) if size is None} for port in program.inputs)


@contextmanager
def _quiet() -> Iterator[None]:
    """Compute without gradients, and hide warnings of the exporter, such as those about torchvision."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
