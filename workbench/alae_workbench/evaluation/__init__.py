"""Measures of a model, each a function of the model and of images it was not trained on."""
