"""Programs written by JAX: StableHLO."""

from collections.abc import Mapping
from pathlib import Path

import jax

from alae_core.program import Program

# Platforms that a program can run on.
_PLATFORMS = ("cpu", "cuda", "tpu")


def write_stablehlo(program: Program, path: Path, metadata: Mapping[str, str]) -> dict[str, str]:
    """Write a program as StableHLO with a symbolic batch, for CPU, CUDA and TPU; return the versions.

    The file is that of `jax.export`, which has no place for metadata. Class numbers are int32.
    """
    (batch,) = jax.export.symbolic_shape("batch")
    inputs = [
        jax.ShapeDtypeStruct([batch if size is None else size for size in port.shape], port.dtype.replace("64", "32"))
        for port in program.inputs
    ]
    exported = jax.export.export(jax.jit(program.function), platforms=_PLATFORMS)(*inputs)
    path.write_bytes(exported.serialize())
    return {"jax": jax.__version__, "calling convention": str(exported.calling_convention_version)}
