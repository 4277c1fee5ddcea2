"""Descriptions of files whose content does not match their names, such as the web page of a failed download."""

import zipfile
from pathlib import Path

from alae_core._support.files import open_regular

# First bytes of archives, and their endings.
_ARCHIVES = ((b"\x1f\x8b", ".gz"), (b"7z\xbc\xaf", ".7z"), (b"Rar!", ".rar"), (b"BZh", ".bz2"), (b"\xfd7zXZ", ".xz"))
_ZIP = b"PK\3\4"
# Where a tar has its mark, and the number of bytes that are read.
_TAR, _TAR_AT, _HEAD_BYTES = b"ustar", 257, 512


def explain_failed_download(head: bytes, kind: str) -> str:
    """Describe the result of a failed download from its first bytes; "" if it is unknown.

    `kind` is the expected content, such as "picture" or "zip".
    """
    if head.startswith(b"version https://git-lfs"):
        return f"it is a pointer of Git LFS, not the {kind}: run git lfs pull in its repository"
    if head.lstrip().lower().startswith((b"<!doctype", b"<html")):
        return f"it is a web page, not {'an' if kind == 'npz' else 'a'} {kind}: download it again"
    return ""


def explain_no_zip(path: Path, kind: str) -> str:
    """Describe the content of a file that is not a valid zip or .npz, although it should be; "" if it is unknown."""
    try:
        with open_regular(path) as file:
            head = file.read(_HEAD_BYTES)
        if head.startswith(_ZIP):
            return "" if zipfile.is_zipfile(path) else "its end is missing: copy or download it again"
    except OSError:
        return ""
    ending = next((ending for mark, ending in _ARCHIVES if head.startswith(mark)), "")
    if head[_TAR_AT:].startswith(_TAR):
        ending = ".tar"
    if ending:
        return f"its content is that of a {ending} file: rename or unpack it"
    return explain_failed_download(head, kind)
