"""Measures of a model, each a function of the model and of images it was not trained on."""

from alae_workbench.evaluation.measures import consistency as consistency
from alae_workbench.evaluation.measures import fid as fid
from alae_workbench.evaluation.measures import loop_error as loop_error
from alae_workbench.evaluation.measures import lpips as lpips
from alae_workbench.evaluation.measures import overfitting as overfitting
from alae_workbench.evaluation.measures import path_length as path_length
from alae_workbench.evaluation.measures import perceptual as perceptual
from alae_workbench.evaluation.measures import probes as probes
from alae_workbench.evaluation.measures import samples as samples
from alae_workbench.evaluation.measures import similarity as similarity
from alae_workbench.evaluation.measures import spread as spread
