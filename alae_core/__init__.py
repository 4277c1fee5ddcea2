"""Adversarial Latent Autoencoders, specified once in Keras 3 for every framework.

The names in `__init__.pyi` load on first use, so that reading a configuration or printing help does not import Keras.
"""

import os

from alae_core._support.lazy import attach_names
from alae_core._support.quiet import hide_directory_warnings
from alae_core.keras_choice import choose_framework

# Keras reads this when it is first imported, and without it, or if it is empty, assumes TensorFlow.
if not os.environ.get("KERAS_BACKEND"):
    os.environ["KERAS_BACKEND"] = choose_framework()
hide_directory_warnings()

__getattr__, __dir__, __all__ = attach_names(__name__, __file__)
