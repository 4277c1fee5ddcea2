"""The conformance suite: judges a backend case by case against a reference in NumPy."""
