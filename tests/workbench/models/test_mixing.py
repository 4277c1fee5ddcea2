"""Style mixing."""

import pytest

from alae_workbench.models.mixing import layer_ranges


@pytest.mark.parametrize(
    ("lods", "ranges"),
    [
        (1, [range(1)]),
        (2, [range(1), range(1, 2)]),
        (3, [range(1), range(1, 2), range(2, 3)]),
        (4, [range(2), range(2, 3), range(3, 4)]),
        (5, [range(2), range(2, 4), range(4, 5)]),
        (9, [range(2), range(2, 4), range(4, 9)]),
    ],
)
def test_layers_are_coarse_middle_or_fine(lods, ranges):
    assert layer_ranges(lods) == dict(zip(("coarse", "middle", "fine"), ranges, strict=False))
