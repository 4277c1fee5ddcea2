"""Functions that take measures of a `Subject`; the table `evaluation.registry.MEASURES` lists them."""
