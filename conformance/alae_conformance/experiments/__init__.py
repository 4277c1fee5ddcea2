"""Experiments on a subject, by level; the reference runs the same ones."""

from alae_conformance.experiments import contract, gradients, portability, reciprocity, runs, updates, values
from alae_conformance.experiments.experiment import Experiment

_MODULES = (contract, values, gradients, updates, runs, reciprocity, portability)
#: every experiment by name, lowest level first
EXPERIMENTS: dict[str, Experiment] = {
    value.name: value for module in _MODULES for value in vars(module).values() if isinstance(value, Experiment)
}
