"""Xfail files: entries must be exact and current, and never count as passed."""

import os
from datetime import date
from pathlib import Path

import pytest

from alae_conformance.case import cases
from alae_conformance.judge import Judge
from alae_conformance.numbers import Frozen
from alae_conformance.xfail import XfailError, read_claims, read_xfails

ENTRY = {
    "backend": '"NotANumber"',
    "case": '"L1-hinge-values"',
    "lane": '"float32"',
    "reason": '"its losses are not written yet"',
    "link": '"https://example.org/issues/7"',
    "expires": "2027-01-31",
}
TODAY = date(2026, 12, 1)


def file(directory, *entries):
    path = Path(directory, "xfail.toml")
    blocks = ["\n".join(["[[xfail]]", *(f"{key} = {value}" for key, value in entry.items())]) for entry in entries]
    path.write_text("\n\n".join(blocks), "utf-8")
    return path


def test_an_entry_is_read(tmp_path):
    known = read_xfails(file(tmp_path, ENTRY), ["NotANumber"], TODAY)
    assert known["NotANumber", "L1-hinge-values", "float32"].expires == date(2027, 1, 31)


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"case": '"L1-hinge"'}, "names a case or lane that does not exist"),
        ({"lane": '"bfloat16"'}, "names a case or lane that does not exist"),
        ({"backend": '"other"'}, "that is not judged"),
        ({"expires": "2026-11-30"}, "expired on 2026-11-30"),
        ({"reason": '"?"'}, "reason"),
        ({"link": '"later"'}, "link"),
        ({"unless": "true"}, "unless"),
        ({"expires": '"never"'}, "expires"),
    ],
)
def test_an_invalid_entry_is_an_error(tmp_path, changed, complaint):
    with pytest.raises(XfailError, match=complaint):
        read_xfails(file(tmp_path, ENTRY | changed), ["NotANumber"], TODAY)


def test_an_invalid_file_is_an_error(tmp_path):
    with pytest.raises(XfailError, match="cannot read"):
        read_xfails(tmp_path / "missing.toml", ["NotANumber"])
    with pytest.raises(XfailError, match="twice"):
        read_xfails(file(tmp_path, ENTRY, ENTRY), ["NotANumber"], TODAY)
    (tmp_path / "xfail.toml").write_text("[[xfail", "utf-8")
    with pytest.raises(XfailError, match="is not TOML"):
        read_xfails(tmp_path / "xfail.toml", ["NotANumber"])
    (tmp_path / "xfail.toml").write_text("", "utf-8")
    with pytest.raises(XfailError, match=r"contains neither \[\[xfail\]\] nor \[require\]"):
        read_xfails(tmp_path / "xfail.toml", ["NotANumber"])


@pytest.mark.parametrize(
    "text",
    [
        "x = " + "[" * 3000,
        "x = " + "9" * 5000,
        "x = 2001-99-99",
        "#" * 2**21,
    ],
)
def test_unknown_content_is_an_error(tmp_path, text):
    (tmp_path / "xfail.toml").write_text(text, "utf-8")
    with pytest.raises(XfailError, match=r"is not TOML|is nested too deeply|more than the 1,048,576"):
        read_xfails(tmp_path / "xfail.toml", ["NotANumber"])


def test_only_a_regular_file_is_read(tmp_path):
    os.mkfifo(tmp_path / "xfail.toml")
    with pytest.raises(XfailError, match="it is not a regular file"):
        read_xfails(tmp_path / "xfail.toml", ["NotANumber"])


def test_required_levels_are_read(tmp_path):
    path = file(tmp_path, ENTRY)
    assert read_claims(path, ["NotANumber"]) == {}
    path.write_text('[require]\nNotANumber = "float32:L3,float64:L1"\n' + path.read_text("utf-8"), "utf-8")
    assert read_claims(path, ["NotANumber"]) == {"NotANumber": {"float32": 3, "float64": 1}}
    assert len(read_xfails(path, ["NotANumber"], TODAY)) == 1
    for claim, complaint in (
        ('mine = "float32:L1"', "require.mine names a backend that is not judged"),
        ('NotANumber = "L1"', "is not a claim"),
    ):
        path.write_text(f"[require]\n{claim}", "utf-8")
        with pytest.raises(XfailError, match=complaint):
            read_claims(path, ["NotANumber"])


@pytest.mark.framework
def test_a_known_failure_does_not_count_as_passed_and_is_stale_if_it_passes(tmp_path):
    entries = [ENTRY, ENTRY | {"case": '"L2-hinge-gradients"'}]
    known = read_xfails(file(tmp_path, *entries), ["NotANumber"], TODAY)
    judge = Judge("NotANumber", Frozen(), tmp_path, known)
    try:
        failed = judge.run_case(cases()["L1-hinge-values"], "float32", [])
        assert failed.status == "expected"
        assert "https://example.org/issues/7" in failed.message
        record = judge.record()
        assert not record.levels[0].holds
        assert record.levels[0].withdrawn
        assert not record.conforms, "no level holds"
        sound = judge.run_case(cases()["L2-hinge-gradients"], "float32", [])
    finally:
        judge.close()
    assert sound.status == "stale"
    assert not judge.record().conforms
