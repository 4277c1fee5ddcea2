"""Measures of a trained model: a table of them, the functions that take them, and records of their values."""
