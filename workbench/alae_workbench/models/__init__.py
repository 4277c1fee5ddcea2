"""Trained models: opening, sampling, mixing, editing and inversion."""
