"""Readers of image collections, one file for each format."""
