"""Models in the formats of other programs, read without trust and turned into checkpoints of alae."""
