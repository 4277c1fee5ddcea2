"""Ablation studies: variants of one configuration, trained and measured alike."""
