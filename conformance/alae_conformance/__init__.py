"""The conformance suite: every ALAE backend against a reference in NumPy, case by case, in a process of its own."""
