"""ALAE in NumPy float64 with hand-derived gradients: the reference that every backend is compared with.

It shares no mathematics with `alae_core` and imports neither Keras nor a framework. Complex steps, central differences
and Taylor slopes verify its gradients (tests/conformance/reference). Each network family has a module: `mlp.py`,
`conv.py` and `style.py`.
"""
