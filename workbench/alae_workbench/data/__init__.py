"""Images to train on: where they come from, and how they reach the training step."""
