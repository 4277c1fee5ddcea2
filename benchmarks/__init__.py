"""Timings of ALAE as ratios to hand-written code, both measured in the same process."""
