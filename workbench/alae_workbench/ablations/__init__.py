"""Ablations that ship: matrices of runs as YAML."""
