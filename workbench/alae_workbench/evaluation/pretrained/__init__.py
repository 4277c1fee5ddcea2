"""Networks that others trained to see, over keras.ops and so under every framework, with their published weights."""
