"""Faces in photos: found, and cut out upright as the published models expect them."""
