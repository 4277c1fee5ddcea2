"""What a person does around a model: data, training runs, measures and pictures."""
