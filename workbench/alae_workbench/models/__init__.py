"""Trained models: opening, sampling, mixing, directions in w, and inversion."""
