"""Measures of a model, one file for each thing measured."""
