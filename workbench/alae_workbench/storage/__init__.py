"""Directories that alae writes: their locks, and the files of a training run."""
