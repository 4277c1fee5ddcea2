"""Conversion of other programs' models to checkpoints of alae; their files are treated as untrusted."""
