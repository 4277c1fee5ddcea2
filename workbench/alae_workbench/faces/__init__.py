"""Face detection in photos, and upright crops as the published models expect them."""
