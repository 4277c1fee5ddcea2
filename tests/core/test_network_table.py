"""The table of a model's networks in notebooks."""

from alae_core.network_table import make_network_table
from tests.conftest import tiny_config


def test_the_table_shows_what_each_network_maps():
    table = make_network_table(tiny_config(), {"F": 1234, "G": 5, "E": 6, "D": 7})
    for text in ("z (5) → w (7)", "w (7) → image (4×3×2)", "image (4×3×2) → w (7)", "w (7) → logit", "1,234"):
        assert text in table
    assert "image (4×3×2) → z (7)" in make_network_table(tiny_config(reciprocity="z", networks__z=7), {"E": 6})
