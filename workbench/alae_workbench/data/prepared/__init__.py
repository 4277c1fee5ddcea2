"""Prepared sets: images decoded once, as shards of ArrayRecord at every level, and read as a stream from there."""
