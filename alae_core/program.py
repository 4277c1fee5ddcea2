"""A function of a model with named inputs of known shapes, to be written for other software (`Backend.exporters`)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Port:
    """An input or the output of a program.

    Attributes:
        name: its name.
        shape: its shape; None is the batch, any number from 1.
        dtype: its dtype.
    """

    name: str
    shape: tuple[int | None, ...]
    dtype: Literal["float32", "int64"] = "float32"


@dataclass(frozen=True)
class Program:
    """A function of a model at one level of detail, with fixed weights.

    Attributes:
        name: its name, which is also the name of its file.
        meaning: its formula.
        function: takes a tensor of the framework in use for each input, in order, and returns one. It is pure, and
            treats the rows of a batch independently of each other.
        inputs: its inputs.
        output: its output.
    """

    name: str
    meaning: str
    function: Callable[..., Any]
    inputs: tuple[Port, ...]
    output: Port
