"""F, G, E and D as Keras models: one module per family of architectures."""
