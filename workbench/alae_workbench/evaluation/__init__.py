"""Measures of a trained model: their table, the functions that compute them, and records of their values."""
