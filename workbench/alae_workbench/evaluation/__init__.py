"""Measures of a model, each a function of the model and of images it was not trained on."""

from alae_workbench.evaluation import errors as errors
from alae_workbench.evaluation import nearest as nearest
from alae_workbench.evaluation import overfitting as overfitting
