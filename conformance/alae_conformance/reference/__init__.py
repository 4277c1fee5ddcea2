"""ALAE in NumPy float64 with gradients derived by hand: what every backend is compared with.

It shares no mathematics with `alae_core` and imports neither Keras nor a framework. It is proved by complex step,
central differences and Taylor slopes (tests/conformance/test_reference.py). Every family of architectures has a module
of its own: `mlp.py`, `style.py`.
"""
