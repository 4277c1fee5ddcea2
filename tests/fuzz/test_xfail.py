"""Hostile TOML in the xfail files of the conformance suite."""

from datetime import date

from alae_conformance import xfail
from tests.fuzz import attempt, cases
from tests.fuzz.hostile import TEXTS, mutate

FRAGMENTS = [
    *(text for text in TEXTS if text.isprintable()),
    *(
        '"x"',
        "2027-01-31",
        "2027-01-31T10:00:00",
        "10:99:00",
        "'''",
        '"""',
        "[[xfail]]",
        "[xfail]",
        "[require]",
        'jax = "float32:L5"',
        "xfail = []",
        "a.b.c = 1",
    ),
    *(
        "{a = 1}",
        "inf",
        "nan",
        "0x" + "f" * 5000,
        "x = [" * 3000,
        "x = " + "[" * 3000 + "]" * 3000,
        "a = " + "{a = " * 3000,
    ),
]


def test_xfail_files(tmp_path):
    path, example = tmp_path / "xfail.toml", xfail.__doc__.partition("\n\n")[2].replace("mine", "jax")
    for case, random in cases(at_least=len(FRAGMENTS) + 20):
        text = FRAGMENTS[case] if case < len(FRAGMENTS) else mutate(random, example, FRAGMENTS)
        path.write_bytes(text.encode())
        attempt(
            lambda: (xfail.read_xfails(path, ["jax"], date(2026, 1, 1)), xfail.read_claims(path, ["jax"])),
            size=len(text),
            about=f"case {case}",
        )
