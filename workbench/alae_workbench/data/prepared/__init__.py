"""Prepared sets: images decoded once, stored in shards at every size that training needs, and read as a stream."""
