"""Networks that others trained on photographs, written over keras.ops, with their published weights."""
