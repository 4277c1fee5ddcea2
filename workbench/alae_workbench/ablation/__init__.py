"""Ablation studies: variants of one configuration, trained from several seeds and measured alike."""
