"""What judges a backend: the conformance suite, case by case against a reference in NumPy, and the authors' numbers."""
