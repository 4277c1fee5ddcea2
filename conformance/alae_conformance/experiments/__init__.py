"""Experiments on a subject, by level; the reference runs the same ones."""

from alae_conformance.experiments import (
    beyond,
    contract,
    crossing,
    edges,
    faint,
    gradients,
    image_sizes,
    laws,
    looking,
    portability,
    product,
    ranges,
    rare,
    reciprocity,
    runs,
    updates,
    values,
)
from alae_conformance.experiments.experiment import Experiment

_MODULES = (
    contract,
    ranges,
    values,
    faint,
    edges,
    looking,
    image_sizes,
    rare,
    gradients,
    crossing,
    product,
    updates,
    laws,
    runs,
    beyond,
    reciprocity,
    portability,
)
#: every experiment by name, lowest level first
EXPERIMENTS: dict[str, Experiment] = {
    value.name: value for module in _MODULES for value in vars(module).values() if isinstance(value, Experiment)
}
