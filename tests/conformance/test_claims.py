"""Claims are parsed, and malformed ones refused."""

import pytest

from alae_conformance.claims import ClaimError, read_claim


def test_a_claim_is_parsed():
    assert read_claim("float32:L5, float64:L0") == {"float32": 5, "float64": 0}


@pytest.mark.parametrize(
    "text", ["", "float32", "float32:5", "float32:L6", "float16:L1", "float32:L1,float32:L2", "x" * 999]
)
def test_a_malformed_claim_is_an_error(text):
    with pytest.raises(ClaimError, match="is not a claim: give each lane") as refused:
        read_claim(text)
    assert len(str(refused.value)) < 300
