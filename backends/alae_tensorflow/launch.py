"""The devices for each of which `alae train --devices` starts a process."""

import tensorflow as tf

ACCELERATORS = "GPUs"


def count_accelerators(device: str | None) -> int:
    """Return how many GPUs a run on `device` may use: none if it is a CPU."""
    return 0 if (device or "").startswith("cpu") else len(tf.config.list_physical_devices("GPU"))
