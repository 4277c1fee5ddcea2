"""ALAE in NumPy float64 with gradients derived by hand: what every backend is compared with.

It shares no mathematics with `alae_core` and imports neither Keras nor a framework; `tests/conformance/test_reference.py`
proves it by complex step, central differences and Taylor slopes. Each family of architectures has a module: `mlp.py`.
"""
