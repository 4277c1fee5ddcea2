"""Utilities that are not part of the specification: files, manifests, settings and text."""
