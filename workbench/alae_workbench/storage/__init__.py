"""Directories that alae writes: locks, and the files of a run."""
