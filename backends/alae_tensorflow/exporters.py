"""Programs written by TensorFlow: SavedModel and LiteRT. Metadata are in `export.json` alone."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from alae_core.program import Program


def write_saved_model(program: Program, path: Path, metadata: Mapping[str, str]) -> dict[str, str]:
    """Write a program as a SavedModel, a directory, with a dynamic batch; return the version.

    Its only signature takes the inputs by name, and returns the output by name.
    """
    concrete, module = _trace(program)
    tf.saved_model.save(module, str(path), signatures=concrete)
    return {"tensorflow": tf.__version__}


def write_litert(program: Program, path: Path, metadata: Mapping[str, str]) -> dict[str, str]:
    """Write a program as a LiteRT model (TensorFlow Lite) with a dynamic batch; return the version.

    It has the signature of the program's SavedModel.
    """
    concrete, module = _trace(program)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], module)
    path.write_bytes(converter.convert())
    return {"tensorflow": tf.__version__}


def _trace(program: Program) -> tuple[Any, tf.Module]:
    """Return a program as a concrete function, and the module that has its variables."""
    signature = [tf.TensorSpec(port.shape, port.dtype, name=port.name) for port in program.inputs]
    function = tf.function(lambda *inputs: {program.output.name: program.function(*inputs)}, input_signature=signature)
    concrete, module = function.get_concrete_function(), tf.Module()
    # TensorFlow saves the variables that it finds here.
    module.variables_of_networks = concrete.variables
    return concrete, module
