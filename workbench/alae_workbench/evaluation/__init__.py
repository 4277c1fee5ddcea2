"""Measures of a model, each a function of the model and of images it was not trained on."""

from alae_workbench.evaluation import consistency as consistency
from alae_workbench.evaluation import errors as errors
from alae_workbench.evaluation import inception as inception
from alae_workbench.evaluation import lpips as lpips
from alae_workbench.evaluation import overfitting as overfitting
from alae_workbench.evaluation import path_length as path_length
from alae_workbench.evaluation import perceptual as perceptual
from alae_workbench.evaluation import probes as probes
from alae_workbench.evaluation import samples as samples
from alae_workbench.evaluation import similarity as similarity
from alae_workbench.evaluation import spread as spread
